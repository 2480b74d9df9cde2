"""LMDB environments, opened at most once per path and process, grown when full, and never carried across a fork."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from cache.durable import make_durable_folder
from cache.errors import CacheError
from cache.key import FeatureKey
from cache.lmdb.pages import DATA_FILE, break_seal, is_sealed, refuse_to_open, seal_is_due, seal_pages

FIRST_MAP_BYTES = 64 << 20
FULL_BELOW_BYTES = 1 << 16
KEY = b"feature key"
"""Key in the unnamed database: the cache's key as JSON, by which a file of another cache is known."""
_T = TypeVar("_T")

# LMDB forbids two environments of one path in a process and any use after a fork. All access goes through this table
# and its lock, which also keeps the map from being resized under a running transaction.
_lock = threading.RLock()
_environments: dict[str, tuple[Any, Any, Any]] = {}  # environment, database `rows`, database `index`
_log = logging.getLogger(__name__)


def key_note(key: FeatureKey) -> bytes:
    """What a store holds under `KEY`."""
    return json.dumps(key.as_dict(), sort_keys=True).encode()


class LmdbFile:
    """One LMDB environment by path. Cheap to make and to pickle; opened when it is first used in a process.

    Args:
        path: the store's folder.
        cure: the command that an error about damage tells the reader to run.
        key: the cache's key; a store of another key, or one seen to be damaged, is refused. None takes any.
        may_write: False opens it so that nothing in it can change.
    """

    DATABASES = (b"rows", b"index")

    def __init__(self, path: Path, cure: str, key: FeatureKey | None = None, *, may_write: bool = True) -> None:
        self.path, self.cure, self.key, self.may_write = path, cure, key, may_write

    def exists(self) -> bool:
        """Whether there is an environment to read."""
        return (self.path / DATA_FILE).is_file()

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
        """Run `change(transaction, rows, index)` and commit. It runs again from the start when the map had to grow.

        Raises:
            DamagedShardError: the file is not as it was sealed; nothing has changed.
        """
        with _lock:
            with self._errors():
                bytes_before = self._bytes()
                result = self._committed(change)
                due = seal_is_due(bytes_before, self._bytes())
            if due:
                try:
                    self.seal()
                except CacheError as error:  # such as a full disk: the rows are safe, and the next commit tries again
                    _log.warning("the pages of %s have no checksums until the next write: %s", self.path, error)
            return result

    def _committed(self, change: Callable[[Any, Any, Any], _T]) -> _T:
        while True:
            transaction, rows, index = self._begin(write=True)
            try:
                break_seal(self.path, self.cure)
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

    def seal(self) -> None:
        """Checksum the file's pages, unless that is done. Raises CacheError for a full disk."""
        with _lock, self._errors():
            transaction, _, _ = self._begin(write=True)  # keeps other writers away; nothing is written in it
            try:
                if not is_sealed(self.path):
                    seal_pages(self.path)
            finally:
                transaction.abort()

    def _bytes(self) -> int:
        return (self.path / DATA_FILE).stat().st_size if self.exists() else 0

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
        try:
            self._refuse_another_key(bytes(transaction.get(KEY) or b""))
        except BaseException:
            transaction.abort()
            raise
        return transaction, rows, index

    def _refuse_another_key(self, found: bytes) -> None:
        if self.key is not None and found and found != key_note(self.key):
            raise CacheError(
                f"LMDB store {self.path} is of another cache, {found.decode(errors='replace')}; expected {self.key}. "
                "Put back the file that belongs here, or move this one away and encode again"
            )

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
        data = self.path / DATA_FILE
        if self.key is not None:
            refuse_to_open(self.path, self.cure)
        lockable = all(_may_write(path) for path in (self.path, data) if path.exists())
        writable = lockable and self.may_write
        if writable:
            make_durable_folder(self.path)
        map_bytes = max(FIRST_MAP_BYTES, data.stat().st_size) if data.exists() else FIRST_MAP_BYTES
        # Where nobody may write, no lock file can be made either; without writers none is needed.
        environment = lmdb.open(
            str(self.path),
            map_size=map_bytes,
            max_dbs=len(self.DATABASES),
            readonly=not writable,
            lock=lockable,
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
            raise CacheError(f"LMDB store {self.path} is damaged: {error}; run `{self.cure}`") from error
        except (lmdb.Error, OSError) as error:
            # LMDB calls a write that was cut short by a full disk an "Input/output error".
            full = self.exists() and shutil.disk_usage(self.path).free < FULL_BELOW_BYTES
            reason = f"No space left on device ({error})" if full else str(error)
            raise CacheError(
                f"LMDB store {self.path}: {reason}. What was committed before is safe; check free space and "
                f"permissions, or run `{self.cure}`"
            ) from error


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _close_before_fork() -> None:
    _lock.acquire()
    for environment, _, _ in _environments.values():
        environment.close()
    _environments.clear()


os.register_at_fork(before=_close_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
