"""Advisory locks on files of a local cache. The kernel lets them go when their owner dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from cache.errors import CacheError
from cache.folder import make_durable_folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, made with its folder where it is not there; waits for whoever holds it.

    Raises:
        CacheError: the folder may not be written, or its filesystem knows no locks.
    """
    lock = FileLock(path)
    try:
        make_durable_folder(path.parent)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter is filelock's, for a filesystem without locks
        raise CacheError(f"cannot lock {path}: {error}; this needs a folder that can be written and locked") from error
    try:
        yield
    finally:
        lock.release()
