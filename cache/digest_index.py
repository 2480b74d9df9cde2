"""DigestIndex: blake3 digests of files, remembered by path, size, inode and times, so that a warm start reads no bytes.

Kept as immutable Arrow segments, each named by the checksum of its bytes: concurrent processes need no lock, and a
damaged segment is noticed and merely costs hashing its files again.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from blake3 import blake3
from xxhash import xxh3_128_hexdigest

from cache.errors import CacheError
from cache.folder import folder_at

SEGMENT_FILES = 20_000
"""Digests are saved at least this often, so that a crash loses little work."""
MERGE_SEGMENTS = 16
SEGMENT_SUFFIX = ".arrow"
RACY_NS = 2_000_000_000
"""A file changed this recently may change again within the clock's grain, unseen; its digest is not remembered."""
HASHING_THREADS = 8
CHUNK_BYTES = 1 << 20

_SCHEMA = pa.schema(
    {
        "path": pa.binary(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "ctime_ns": pa.int64(),
        "inode": pa.uint64(),
        "digest": pa.binary(32),
    }
)
_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int, int]
"""Size in bytes, mtime and ctime in nanoseconds, inode. Whoever overwrites a file can set its mtime to what it was, as
an archive that is unpacked does; nobody can set its ctime."""


@dataclass
class DigestResult:
    """What `DigestIndex.digest_files` found.

    Args:
        digests: one per path, in order: 64 hexadecimal digits, or None where the file could not be read.
        failed: path to reason, for each file that could not be read.
        files_read: files whose bytes were read.
        files_reused: files whose digest was remembered.
    """

    digests: list[str | None] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    files_read: int = 0
    files_reused: int = 0


def digest_file(path: str | os.PathLike[str]) -> str:
    """The content digest (hex) of one file, read now. Raises OSError where it cannot be read, or is being written."""
    _, digest, reason = _hash_file(path)
    if digest is None:
        raise OSError(f"{os.fspath(path)}: {reason}")
    return digest.hex()


class DigestIndex:
    """The digests below a cache root.

    Args:
        root: the cache root; the index is its folder `digests`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._folder = folder_at(root).child("digests")
        self._known: dict[bytes, tuple[Stamp, bytes]] = {}
        self._segments: set[str] = set()

    def digest_files(
        self, paths: Sequence[str | os.PathLike[str]], progress: Callable[[int, int], None] | None = None
    ) -> DigestResult:
        """Digest files, reading only those that are new or changed.

        Args:
            paths: N files. A missing or unreadable one is listed in the result and does not stop the others.
            progress: called with (files done, N), also while files are being read.
        """
        self._load()
        result = DigestResult(digests=[None] * len(paths))
        unread: list[int] = []
        for position, path in enumerate(paths):
            known = self._known.get(_name(path))
            try:
                if known is not None and known[0] == _stamp(os.stat(path)):  # noqa: PTH116 - Path costs more than stat
                    result.digests[position] = known[1].hex()
                else:
                    unread.append(position)
            except OSError as error:
                result.failed[os.fspath(path)] = _reason(error)
        result.files_reused = len(paths) - len(unread) - len(result.failed)
        if progress is not None:
            progress(len(paths) - len(unread), len(paths))
        self._read(paths, unread, result, progress)
        return result

    def _read(
        self,
        paths: Sequence[str | os.PathLike[str]],
        unread: list[int],
        result: DigestResult,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        fresh: dict[bytes, tuple[Stamp, bytes]] = {}
        done = len(paths) - len(unread)
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            for position, (stamp, digest, reason) in zip(
                unread, pool.map(_hash_file, (paths[position] for position in unread)), strict=True
            ):
                if digest is None:
                    result.failed[os.fspath(paths[position])] = reason
                else:
                    result.digests[position] = digest.hex()
                    result.files_read += 1
                    if stamp is not None:
                        fresh[_name(paths[position])] = (stamp, digest)
                done += 1
                if progress is not None:
                    progress(done, len(paths))
                if len(fresh) >= SEGMENT_FILES:
                    self._save(fresh)
                    fresh = {}
        self._save(fresh)

    def _load(self) -> None:
        segments: list[tuple[int, str, pa.RecordBatch]] = []
        for name in self._segment_names():
            if name not in self._segments:
                segments += self._read_segment(name)
        for _, name, batch in sorted(segments, key=lambda segment: segment[:2]):  # later ones know better
            self._segments.add(name)
            columns = [batch.column(name).to_pylist() for name in _SCHEMA.names]
            for path, size, mtime_ns, ctime_ns, inode, digest in zip(*columns, strict=True):
                self._known[path] = ((size, mtime_ns, ctime_ns, inode), digest)

    def _segment_names(self) -> list[str]:
        return [name for name in self._folder.names() if name.endswith(SEGMENT_SUFFIX)]

    def _read_segment(self, name: str) -> list[tuple[int, str, pa.RecordBatch]]:
        try:
            data = self._folder.read(name)
        except FileNotFoundError:
            return []  # merged into another by somebody; what is lost with it is hashed again
        if not is_whole_segment(name, data):
            _log.warning("digest index %s/%s is damaged; removed, its files are read again", self._folder.where, name)
            self._folder.remove(name)
            return []
        reader = pa.ipc.open_file(pa.py_buffer(data))
        if reader.schema.names != _SCHEMA.names:  # of version 0.1.0, which did not look at the ctime
            self._folder.remove(name)
            return []
        return [(int(reader.schema.metadata[b"created_ns"]), name, reader.get_batch(0))]

    def _save(self, fresh: dict[bytes, tuple[Stamp, bytes]]) -> None:
        if not fresh:
            return
        self._known.update(fresh)
        old = self._segment_names()
        merge = len(old) >= MERGE_SEGMENTS
        if merge:
            self._load()
        data = _segment_bytes(self._known.items() if merge else fresh.items())
        name = xxh3_128_hexdigest(memoryview(data)) + SEGMENT_SUFFIX
        try:
            self._folder.write(name, data)
        except (
            CacheError
        ) as error:  # a cache that one may only read, or a full disk: the digests are right all the same
            _log.warning("file digests are not remembered for the next start: %s", error)
            return
        self._segments.add(name)
        for replaced in old if merge else []:
            if replaced != name:
                self._folder.remove(replaced)


def is_whole_segment(name: str, data: bytes | memoryview) -> bool:
    """Whether a file of the index is as it was written."""
    return xxh3_128_hexdigest(data) + SEGMENT_SUFFIX == name


def _segment_bytes(entries: Iterable[tuple[bytes, tuple[Stamp, bytes]]]) -> pa.Buffer:
    rows = [(path, *stamp, digest) for path, (stamp, digest) in entries]
    columns = [pa.array(column, type=kind.type) for column, kind in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
    schema = _SCHEMA.with_metadata({"created_ns": str(time.time_ns())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


def _name(path: str | os.PathLike[str]) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`, and costs ten times as much


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _hash_file(path: str | os.PathLike[str]) -> tuple[Stamp | None, bytes | None, str]:
    """(stamp to remember or None, digest or None, reason of failure)."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - before opening: a pipe would block
            return None, None, "not a regular file"
        with Path(path).open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            hasher = blake3()
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
            after = os.fstat(file.fileno())
    except OSError as error:
        return None, None, _reason(error)
    if _stamp(before) != _stamp(after):
        return None, None, "changed while it was read; run again when nobody writes it"
    settled = abs(time.time_ns() - after.st_ctime_ns) >= RACY_NS  # a clock ahead of ours is no reason to read for ever
    return (_stamp(after) if settled else None), hasher.digest(), ""
