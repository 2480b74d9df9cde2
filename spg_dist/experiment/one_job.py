"""A folder for one job at a time. A job that is refused leaves it as it was, or none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock

from cache.durable import write_text
from cache.locks import LEASE_ENDING, Held, acquire
from spg_dist.interruption import stops_ignored

LOCK_FILE = ".lock"
LOCK_FILES = {LOCK_FILE, LOCK_FILE + LEASE_ENDING}
TRIES = 100
"""How often a folder is made that other jobs, which were refused, remove; each of them removes it once."""


@contextmanager
def only_job(root: Path, place: str) -> Iterator[None]:
    """A folder for one job at a time, made if it is not there and gone again if the job leaves nothing in it.

    Arguments:
        place: an example of the field that puts it elsewhere, "runs=/data/runs".

    Raises:
        ValueError: the folder cannot be made or written, or another job is writing to it.
        OSError: the disk is full.
    """
    lock, made = None, _to_be_made(root)
    try:
        lock = _lock(root, place)
        yield
    finally:
        with stops_ignored():
            if lock is not None:
                if {path.name for path in root.iterdir()} <= LOCK_FILES:
                    # While it is held: a job that has opened it too finds that it has lost its name, and leaves it.
                    (root / LOCK_FILE).unlink(missing_ok=True)
                lock.release()
            for folder in made:
                with suppress(OSError):  # another job has put something there
                    folder.rmdir()


def _to_be_made(root: Path) -> list[Path]:
    """The folders of a path that are not there, innermost first, and the last where a job made it before this one."""
    exists = os.path.exists  # Path.exists raises where a name is too long
    return [path for path in (root, *root.parents) if not exists(path) or (path == root and exists(path / LOCK_FILE))]


def _lock(root: Path, place: str) -> BaseFileLock:
    try:
        return _make_and_lock(root)
    except (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"the run's folder {root} cannot be made or written ({error.strerror}): "
            f"give a place of your own, e.g. {place}"
        ) from error
    except Held as error:
        raise ValueError(
            f"another job is writing to {root} ({error}): wait for it to end, or give this one another name=..."
        ) from error


def _make_and_lock(root: Path) -> BaseFileLock:
    for _ in range(TRIES - 1):
        with suppress(FileNotFoundError, FileExistsError):  # a refused job may remove the folder while this one looks
            return _try_to_lock(root)
    return _try_to_lock(root)


def _try_to_lock(root: Path) -> BaseFileLock:
    root.mkdir(parents=True, exist_ok=True)
    return acquire(root / LOCK_FILE, wait=False)


@contextmanager
def put_back_if_refused(root: Path, written: Sequence[Path]) -> Iterator[None]:
    """What a job writes before its work is as it was before, if the job ends with an error and did no work.

    Arguments:
        root: the folder. Anything in it that is new or changed, apart from `written`, is work.
        written: the files that the job writes before its work.
    """
    others = _others(root, written)
    before = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in written}
    try:
        yield
    except BaseException:
        with stops_ignored():
            if _others(root, written) == others:
                _put_back(before)
        raise


def _others(root: Path, written: Sequence[Path]) -> dict[Path, tuple[int, int] | None]:
    """Size and time of change of every file that is not in `written`; None for a folder."""
    found: dict[Path, tuple[int, int] | None] = {}
    for path in set(root.rglob("*")) - {*written, *(root / name for name in LOCK_FILES)}:
        with suppress(FileNotFoundError):  # a temporary file that is gone by now
            status = path.lstat()
            found[path] = None if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
    return found


def _put_back(before: dict[Path, str | None]) -> None:
    for path, text in before.items():
        if text is None:
            path.unlink(missing_ok=True)
        elif path.read_text(encoding="utf-8") != text:
            write_text(path, text)
