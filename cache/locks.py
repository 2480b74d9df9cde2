"""One process at a time: locks on files that any node of a cluster respects.

The kernel lets a lock go when its owner dies. Where a file system has no such locks (some Lustre mounts), the lock is a
file that its owner renews, and that another takes over when it has not seen it renewed for LEASE_SECONDS.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, OwnerRecord, SoftFileLease, Timeout

from cache.durable import make_durable_folder
from cache.errors import CacheError

LEASE_SECONDS = 60.0
LEASE_ENDING = ".lease"
"""Of the file that stands for the lock then: the lock file itself is there by now, and empty."""
WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)

_log = logging.getLogger(__name__)


class Held(Exception):
    """Another process holds a lock; the message says which process, on which host, and names the file."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file of a cache, made with its folder where it is not there; waits for whoever holds it.

    Raises:
        CacheError: the folder may not be written, or its filesystem knows no locks.
    """
    try:
        make_durable_folder(path.parent)
        lock = acquire(path, wait=True)
    except OSError as error:
        raise CacheError(f"cannot lock {path}: {error}; this needs a folder that can be written and locked") from error
    try:
        yield
    finally:
        lock.release()


def acquire(path: Path, wait: bool) -> BaseFileLock:
    """Hold the lock file at `path`, whose folder is there, until the returned lock is released or this process dies.

    Arguments:
        wait: for whoever holds it; else only as long as it takes to see whether an owner on another host is alive.

    Raises:
        Held: a living process holds it, and `wait` is not asked for.
        OSError: the file cannot be made or locked.
    """
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise Held(f"{_signature(path)} holds {path}") from error
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return _lease(path.with_name(path.name + LEASE_ENDING), wait)
    path.write_text(f"{os.getpid()}\n{socket.gethostname()}\n", encoding="utf-8")
    return lock


def _signature(path: Path) -> str:
    """Who holds a lock, as its owner has written into the file."""
    process, _, host = path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")
    return f"process {process} on {host}" if process and host else "a process that has not written its name"


def _lease(path: Path, wait: bool) -> BaseFileLock:
    lease = SoftFileLease(path, lease_duration=LEASE_SECONDS)
    try:
        lease.acquire(timeout=-1 if wait else 0)
    except Timeout:
        if not _seems_elsewhere(lease.owner):
            raise Held(_held_by(lease)) from None
        _log.warning("waiting up to %.0f s to see whether it is alive: %s", 1.5 * LEASE_SECONDS, _held_by(lease))
        try:
            lease.acquire(timeout=1.5 * LEASE_SECONDS)
        except Timeout:
            raise Held(_held_by(lease)) from None
    return lease


def _seems_elsewhere(owner: OwnerRecord | None) -> bool:
    """Of a lease that this host could not take over at once: a living process here is no reason to wait."""
    here = owner is not None and _host(owner) == socket.gethostname() and psutil.pid_exists(owner.pid)
    return owner is not None and not here


def _host(owner: OwnerRecord) -> str:
    """Without the mark of the process table that filelock adds."""
    return owner.hostname.partition("?")[0]


def _held_by(lease: SoftFileLease) -> str:
    owner = lease.owner
    by = f"process {owner.pid} on {_host(owner)}" if owner else "a process that has not written its name"
    return f"{by} holds {lease.lock_file}"
