"""Files that are there whole or not at all, after a crash and a power cut too."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`, which is made; when the block ends well, its file takes the place.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing half-written is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all. Raises OSError."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def remove_leftovers(path: Path) -> None:
    """Delete what writers of `path` left unfinished when they were killed. Nobody may be writing it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """fsync a file or a folder, so that it outlives a power cut.

    Some file systems (CIFS, FUSE) cannot do that to a folder; there it is left out, as SQLite and LMDB do.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def make_durable_folder(path: Path) -> None:
    """Make a folder and its parents, and fsync each parent that got a new entry."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)
