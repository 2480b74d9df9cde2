"""Compaction: many small shards become one file, which gathers about 30 times faster."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from cache.findings import Waiting
from cache.folder import Bytes, LocalFolder
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES, Digests, row_checksums, stored_dtype
from cache.shards.entry import ShardColumns, ShardEntry
from cache.shards.folder import ShardFolder
from cache.shards.reader import ShardReader
from cache.stores import REPLACED_KEPT_SECONDS

CHUNK_ROWS = 16_384


def merge(shards: ShardFolder, folder: LocalFolder, entries: list[ShardEntry]) -> None:
    """Merge some shards into one and take their entries away. Every row is verified on its way.

    Args:
        shards: the shards' folder, locked.
        folder: the same folder.
        entries: of the shards to merge, oldest first.

    Raises:
        DamagedShardError: a row is not what was written; nothing has changed then.
        CacheError: the disk is full.
    """
    reader = ShardReader(shards, entries)
    digests = reader.digests()
    replaced = {name for entry in entries for name in (entry.name, *entry.replaces)}
    still_there = tuple(sorted(name for name in replaced if folder.size_bytes(shards.data_file(name)) is not None))
    with folder.unfinished("merged") as unfinished:
        _write_blank(str(unfinished.path), shards, len(digests))
        data: Bytes = np.memmap(unfinished.path, dtype=np.uint8, mode="r+").view(np.ndarray)
        _fill(ShardColumns(data, shards.entry_of(data, 0, name="blank"), shards.key), digests, reader)
        entry = shards.entry_of(data, time.time_ns(), still_there)
        unfinished.name = shards.data_file(entry.name)  # a checksum of the content, so not known before
    folder.write(entry.entry_file, entry.to_json())
    for old in entries:
        if old.name != entry.name:
            folder.remove(old.entry_file)


def _write_blank(path: str, shards: ShardFolder, rows: int) -> None:
    """A file of zeros, to be filled in place: so a table larger than memory is compacted without a second copy.

    The zeros are untouched anonymous maps, which take no memory; writing them makes the disk's blocks real, so that
    filling the map cannot meet a full disk.
    """
    row_bytes = shards.key.width * stored_dtype(shards.key.dtype).itemsize
    digests, checksums, values = (mmap.mmap(-1, rows * size) for size in (DIGEST_BYTES, CHECKSUM_BYTES, row_bytes))
    with pa.OSFile(path, "wb") as sink:
        shards.container.write(sink, shards.key, digests, checksums, values, rows)


def _fill(columns: ShardColumns, digests: Digests, reader: ShardReader) -> None:
    columns.digests[:] = digests
    for part, values in reader.batches(CHUNK_ROWS):
        places = np.searchsorted(digests, part)
        columns.values[places] = values
        columns.checksums[places] = row_checksums(part, values)


def replaced_files(
    shards: ShardFolder, entries: Iterable[ShardEntry], keep_seconds: float = REPLACED_KEPT_SECONDS
) -> list[Waiting]:
    """The data files that are there and that compactions replaced.

    Args:
        shards: the shards' folder.
        entries: of the visible shards.
        keep_seconds: how long after its compaction a file is kept.
    """
    entries, folder = list(entries), shards.folder
    there, visible = set(folder.names()), {entry.name for entry in entries}
    may_go: dict[str, datetime] = {}
    for entry in sorted(entries, key=lambda entry: entry.created_ns, reverse=True):
        compacted = datetime.fromtimestamp(entry.created_ns / 1e9, UTC)
        for name in set(entry.replaces) - visible:
            if shards.data_file(name) in there:
                may_go[name] = compacted + timedelta(seconds=keep_seconds)  # of several, the earliest
    sizes = {name: folder.size_bytes(shards.data_file(name)) or 0 for name in may_go}
    return [
        Waiting(shards.path(name), sizes[name], "replaced by a compaction", may_go[name]) for name in sorted(may_go)
    ]
