"""Folders that hold a cache's files: local ones, and those of any pyarrow filesystem (S3, GCS, HDFS).

One rule for all: a file appears under its name complete, or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pyarrow import fs

from cache.durable import make_durable_folder, sync
from cache.errors import CacheError

Bytes = npt.NDArray[np.uint8]

TEMPORARY_PREFIX = ".tmp-"
"""Files of unfinished writes begin with this; nobody reads them, and `gc` removes those of dead writers."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Folder(Protocol):
    """What the cache asks of a place that keeps files."""

    @property
    def where(self) -> str:
        """The place as a person would write it: a path or a URI without its query."""

    def names(self) -> list[str]:
        """Sorted names of all in it that is no folder, links and unfinished files too; empty where it is not there."""

    def folders(self) -> list[str]:
        """Sorted names of the folders in it."""

    def size_bytes(self, name: str) -> int | None:
        """Size of a file, None where it is not there."""

    def changed(self, name: str) -> datetime | None:
        """When a file or a folder was changed last, None where it is not there or its filesystem does not tell."""

    def read(self, name: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""

    def map(self, name: str) -> Bytes:
        """A file's bytes as an array: mapped where the place is local, read where it is not."""

    def write(self, name: str, data: Any) -> None:
        """Put a whole file (any object with the buffer protocol), durable and visible when this returns."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""

    def child(self, name: str) -> Folder:
        """A folder in this one; made when something is first written to it."""


@dataclass
class UnfinishedFile:
    """A file being written: where it lies now and the name that it is to have."""

    path: Path
    name: str


class LocalFolder:
    """A folder of a mounted filesystem."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def where(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self._entries() if not entry.is_dir(follow_symlinks=False))

    def folders(self) -> list[str]:
        return sorted(entry.name for entry in self._entries() if entry.is_dir(follow_symlinks=False))

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with _readable(self.where), os.scandir(self.path) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    def size_bytes(self, name: str) -> int | None:
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return None

    def changed(self, name: str) -> datetime | None:
        try:
            return datetime.fromtimestamp((self.path / name).lstat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        with _readable(f"{self.where}/{name}"):
            return (self.path / name).read_bytes()

    def map(self, name: str) -> Bytes:
        with _readable(f"{self.where}/{name}"):
            if (self.path / name).stat().st_size == 0:
                return np.empty(0, dtype=np.uint8)
            # A plain array over the map: memmap's own indexing costs several times as much for small batches.
            return np.memmap(self.path / name, dtype=np.uint8, mode="r").view(np.ndarray)

    def write(self, name: str, data: Any) -> None:
        with self.unfinished(name) as unfinished, unfinished.path.open("wb") as file:
            file.write(data)

    @contextmanager
    def unfinished(self, name: str) -> Iterator[UnfinishedFile]:
        """A temporary file; when the block ends well it is made durable and gets its name, which the block may set."""
        temporary = self.path / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        unfinished = UnfinishedFile(temporary, name)
        try:
            make_durable_folder(self.path)
            yield unfinished
            sync(temporary)
            temporary.replace(self.path / unfinished.name)
            sync(self.path)
        except OSError as error:
            raise CacheError(
                f"cannot write {self.path / unfinished.name}: {error.strerror or error}. What was finished before is "
                "safe; free space or fix the permissions and run the same command again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name)


class RemoteFolder:
    """A prefix of a pyarrow filesystem; an object store's put is atomic, so a file is put in one piece."""

    def __init__(self, filesystem: fs.FileSystem, prefix: str, scheme: str) -> None:
        self._filesystem, self._prefix, self._scheme = filesystem, prefix.rstrip("/"), scheme

    @property
    def where(self) -> str:
        return f"{self._scheme}://{self._prefix}"

    def names(self) -> list[str]:
        return sorted(info.base_name for info in self._infos() if info.type == fs.FileType.File)

    def folders(self) -> list[str]:
        return sorted(info.base_name for info in self._infos() if info.type == fs.FileType.Directory)

    def _infos(self) -> list[Any]:
        with _readable(self.where):
            return list(self._filesystem.get_file_info(fs.FileSelector(self._prefix, allow_not_found=True)))

    def size_bytes(self, name: str) -> int | None:
        with _readable(f"{self.where}/{name}"):
            info = self._filesystem.get_file_info(self._path(name))
        return int(info.size) if info.type == fs.FileType.File else None

    def changed(self, name: str) -> datetime | None:
        with _readable(f"{self.where}/{name}"):
            changed: datetime | None = self._filesystem.get_file_info(self._path(name)).mtime
        return changed

    def read(self, name: str) -> bytes:
        with _readable(f"{self.where}/{name}"), self._filesystem.open_input_file(self._path(name)) as file:
            return bytes(file.read())

    def map(self, name: str) -> Bytes:
        with _readable(f"{self.where}/{name}"), self._filesystem.open_input_file(self._path(name)) as file:
            return np.frombuffer(file.read_buffer(), dtype=np.uint8)

    def write(self, name: str, data: Any) -> None:
        try:
            self._filesystem.create_dir(self._prefix, recursive=True)
            with self._filesystem.open_output_stream(self._path(name)) as file:
                file.write(data)
        except OSError as error:
            raise CacheError(f"cannot write {self.where}/{name}: {error}") from error

    def remove(self, name: str) -> None:
        if self.size_bytes(name) is not None:
            self._filesystem.delete_file(self._path(name))

    def child(self, name: str) -> RemoteFolder:
        return RemoteFolder(self._filesystem, f"{self._prefix}/{name}", self._scheme)

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def folder_at(root: str | os.PathLike[str]) -> LocalFolder | RemoteFolder:
    """The folder that a path or a URI (s3://, gs://, hdfs://, file://) names. Raises CacheError for a bad URI."""
    text = os.fspath(root)
    if not _URI.match(text):
        return LocalFolder(Path(text).expanduser().absolute())
    scheme = text.split("://", 1)[0]
    try:
        filesystem, prefix = fs.FileSystem.from_uri(text)
    except (ValueError, OSError, NotImplementedError) as error:  # the last is pyarrow's, for a build without a scheme
        shown = re.sub(r"//[^/@]*@", "//", text.split("?")[0])  # without credentials
        reason = str(error).replace(text, shown)
        raise CacheError(f"cache root {shown!r} cannot be opened: {reason}") from None
    if isinstance(filesystem, fs.LocalFileSystem):
        return LocalFolder(Path(prefix))
    return RemoteFolder(filesystem, prefix, scheme)


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Lets FileNotFoundError through, which callers expect, and turns what a person must fix into a CacheError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CacheError(f"cannot read {where}: {error.strerror or error}") from error


def tree_bytes(folder: Folder) -> int:
    """Size of all files in a folder and below it."""
    own = sum(folder.size_bytes(name) or 0 for name in folder.names())
    return own + sum(tree_bytes(folder.child(name)) for name in folder.folders())
