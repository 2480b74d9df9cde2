"""LMDB environments, opened at most once per path and process, grown when full, and never carried across a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from cache.errors import CacheError
from cache.folder import make_durable_folder

FIRST_MAP_BYTES = 64 << 20
_T = TypeVar("_T")

# LMDB forbids two environments of one path in a process and any use after a fork. All access goes through this table
# and its lock, which also keeps the map from being resized under a running transaction.
_lock = threading.RLock()
_environments: dict[str, tuple[Any, Any, Any]] = {}  # environment, database `rows`, database `index`


class LmdbFile:
    """One LMDB environment by path. Cheap to make and to pickle; opened when it is first used in a process."""

    DATABASES = (b"rows", b"index")

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self.mend = path, mend

    def exists(self) -> bool:
        """Whether there is an environment to read."""
        return (self.path / "data.mdb").is_file()

    @contextmanager
    def reading(self) -> Iterator[tuple[Any, Any, Any]]:
        """A read transaction with its databases (transaction, rows, index). Its values are views: copy them out."""
        with _lock, self._errors():
            transaction, rows, index = self._begin(write=False)
            try:
                yield transaction, rows, index
            finally:
                transaction.abort()

    def writing(self, change: Callable[[Any, Any, Any], _T]) -> _T:
        """Run `change(transaction, rows, index)` and commit. It runs again from the start when the map had to grow."""
        with _lock, self._errors():
            while True:
                transaction, rows, index = self._begin(write=True)
                try:
                    result = change(transaction, rows, index)
                    transaction.commit()
                    return result
                except lmdb.MapFullError:
                    transaction.abort()
                    environment = self._opened()[0]
                    environment.set_mapsize(2 * environment.info()["map_size"])
                except BaseException:
                    transaction.abort()
                    raise

    def close(self) -> None:
        """Close it in this process; the next use opens it again."""
        with _lock:
            opened = _environments.pop(self._name(), None)
            if opened is not None:
                opened[0].close()

    def _begin(self, *, write: bool) -> tuple[Any, Any, Any]:
        environment, rows, index = self._opened()
        try:
            transaction = environment.begin(write=write, buffers=True)
        except lmdb.MapResizedError:  # another process grew the map; 0 adopts its size
            environment.set_mapsize(0)
            transaction = environment.begin(write=write, buffers=True)
        return transaction, rows, index

    def _opened(self) -> tuple[Any, Any, Any]:
        opened = _environments.get(self._name())
        if opened is None:
            environment = self._open()
            try:
                # In a transaction of their own: of two processes that make the store at once, both find them then.
                databases = [environment.open_db(name) for name in self.DATABASES]
            except BaseException:
                environment.close()
                raise
            opened = _environments[self._name()] = (environment, databases[0], databases[1])
        return opened

    def _open(self) -> Any:
        data = self.path / "data.mdb"
        writable = all(_may_write(path) for path in (self.path, data) if path.exists())
        if writable:
            make_durable_folder(self.path)
        map_bytes = max(FIRST_MAP_BYTES, data.stat().st_size) if data.exists() else FIRST_MAP_BYTES
        # Where nobody may write, no lock file can be made either; without writers none is needed.
        environment = lmdb.open(
            str(self.path),
            map_size=map_bytes,
            max_dbs=len(self.DATABASES),
            readonly=not writable,
            lock=writable,
            max_readers=1024,
        )
        if writable:
            environment.reader_check()  # readers that were killed would keep old pages from being used again
        return environment

    def _name(self) -> str:
        return str(self.path.resolve())

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except lmdb.CorruptedError as error:
            raise CacheError(f"LMDB store {self.path} is damaged: {error}; run `{self.mend}`") from error
        except (lmdb.Error, OSError) as error:
            raise CacheError(
                f"LMDB store {self.path}: {error}. What was committed before is safe; check free space and "
                f"permissions, or run `{self.mend}`"
            ) from error


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _close_before_fork() -> None:
    _lock.acquire()
    for environment, _, _ in _environments.values():
        environment.close()
    _environments.clear()


os.register_at_fork(before=_close_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
