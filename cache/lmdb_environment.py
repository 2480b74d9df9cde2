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

FIRST_MAP_BYTES = 64 << 20
_T = TypeVar("_T")

# LMDB forbids two environments of one path in a process and any use after a fork. All access goes through this table
# and its lock, which also keeps the map from being resized under a running transaction.
_lock = threading.RLock()
_environments: dict[str, Any] = {}


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
            transaction = self._begin(write=False)
            try:
                yield transaction, *self._databases(transaction)
            finally:
                transaction.abort()

    def writing(self, change: Callable[[Any, Any, Any], _T]) -> _T:
        """Run `change(transaction, rows, index)` and commit. It runs again from the start when the map had to grow."""
        with _lock, self._errors():
            while True:
                transaction = self._begin(write=True)
                try:
                    result = change(transaction, *self._databases(transaction))
                    transaction.commit()
                    return result
                except lmdb.MapFullError:
                    transaction.abort()
                    environment = self._environment()
                    environment.set_mapsize(2 * environment.info()["map_size"])
                except BaseException:
                    transaction.abort()
                    raise

    def close(self) -> None:
        """Close it in this process; the next use opens it again."""
        with _lock:
            environment = _environments.pop(self._name(), None)
            if environment is not None:
                environment.close()

    def _begin(self, *, write: bool) -> Any:
        environment = self._environment()
        try:
            return environment.begin(write=write, buffers=True)
        except lmdb.MapResizedError:  # another process grew the map; 0 adopts its size
            environment.set_mapsize(0)
            return environment.begin(write=write, buffers=True)

    def _databases(self, transaction: Any) -> tuple[Any, Any]:
        environment = self._environment()
        writable = not environment.flags()["readonly"]
        rows, index = (environment.open_db(name, txn=transaction, create=writable) for name in self.DATABASES)
        return rows, index

    def _environment(self) -> Any:
        environment = _environments.get(self._name())
        if environment is None:
            environment = _environments[self._name()] = self._open()
        return environment

    def _open(self) -> Any:
        writable = os.access(self.path, os.W_OK) if self.path.exists() else True
        if writable:
            self.path.mkdir(parents=True, exist_ok=True)
        size = self.path / "data.mdb"
        map_bytes = max(FIRST_MAP_BYTES, size.stat().st_size) if size.exists() else FIRST_MAP_BYTES
        # Where nobody may write, no lock file can be made either; without writers none is needed.
        return lmdb.open(
            str(self.path), map_size=map_bytes, max_dbs=len(self.DATABASES), readonly=not writable, lock=writable,
            max_readers=1024, metasync=True, sync=True,
        )  # fmt: skip

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


def _close_before_fork() -> None:
    _lock.acquire()
    for environment in _environments.values():
        environment.close()
    _environments.clear()


os.register_at_fork(before=_close_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
