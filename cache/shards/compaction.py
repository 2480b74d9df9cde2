"""Compaction: many small Arrow shards become one file with one record batch, which gathers about 30 times faster."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cache.errors import CacheError
from cache.folder import Bytes, Folder, LocalFolder
from cache.key import FeatureKey
from cache.locks import locked
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES, Digests, row_checksums, stored_dtype
from cache.shards.entry import DATA_SUFFIX, ShardColumns, ShardEntry, entry_of, write_arrow
from cache.shards.reader import ArrowReader
from cache.stores import CompactInfo

if TYPE_CHECKING:
    from cache.shards.store import ArrowStore

CHUNK_ROWS = 16_384
LOCK_FILE = ".compaction.lock"
REPLACED_KEPT_SECONDS = 24 * 3600.0
"""How long compaction leaves replaced files for readers that still map them."""


def compact(store: ArrowStore, keep_replaced_seconds: float) -> CompactInfo:
    """Merge all shards that are visible now; shards written meanwhile stay beside the merged one.

    Readers opened before keep working: the replaced data files stay for `keep_replaced_seconds` and are removed by a
    later compaction or by `gc`. Every row is verified on its way.

    Raises:
        DamagedShardError: a row is not what was written; nothing has changed then.
        CacheError: the cache is not on a local filesystem, or the disk is full.
    """
    folder = store.folder
    if not isinstance(folder, LocalFolder):
        raise CacheError(f"{folder.where} is not a local folder; compact the cache locally and copy it there")
    if not folder.path.is_dir():
        return CompactInfo(0, 0, 0)
    with locked(folder.path / LOCK_FILE):
        store.refresh()
        before = store.entries()
        if len(before) > 1:
            _merge(store, folder)
        store.refresh()
        for name, may_go in replaced_files(folder, store.entries(), keep_replaced_seconds).items():
            if may_go <= datetime.now(UTC):
                folder.remove(name)
        after = store.entries()
    return CompactInfo(len(before), len(after), len(store.reader()))


def replaced_files(folder: Folder, entries: Iterable[ShardEntry], keep_seconds: float) -> dict[str, datetime]:
    """The data files that are there and that compactions replaced, with the time from which each may be removed.

    Args:
        entries: of the visible shards.
        keep_seconds: how long after its compaction a file is kept.
    """
    entries = list(entries)
    there, visible = set(folder.names()), {entry.name for entry in entries}
    may_go: dict[str, datetime] = {}
    for entry in sorted(entries, key=lambda entry: entry.created_ns, reverse=True):
        compacted = datetime.fromtimestamp(entry.created_ns / 1e9, UTC)
        for name in set(entry.replaces) - visible:
            if name + DATA_SUFFIX in there:
                may_go[name + DATA_SUFFIX] = compacted + timedelta(seconds=keep_seconds)  # of several, the earliest
    return dict(sorted(may_go.items()))


def _merge(store: ArrowStore, folder: LocalFolder) -> None:
    entries = store.entries()
    reader = store.reader()
    digests = reader.digests()
    replaced = {name for entry in entries for name in (entry.name, *entry.replaces)}
    still_there = tuple(sorted(name for name in replaced if folder.size_bytes(name + DATA_SUFFIX) is not None))
    with folder.unfinished("merged.arrow") as unfinished:
        _write_blank(str(unfinished.path), store.key, len(digests))
        data: Bytes = np.memmap(unfinished.path, dtype=np.uint8, mode="r+").view(np.ndarray)
        _fill(ShardColumns(data, entry_of(data, store.key, 0, name="blank"), store.key), digests, reader)
        entry = entry_of(data, store.key, time.time_ns(), still_there)
        unfinished.name = entry.data_file  # a checksum of the content, so not known before
    folder.write(entry.entry_file, entry.to_json())
    for old in entries:
        if old.name != entry.name:
            folder.remove(old.entry_file)


def _write_blank(path: str, key: FeatureKey, rows: int) -> None:
    """An Arrow file of zeros, to be filled in place: so a table larger than memory is compacted without a second copy.

    The zeros are untouched anonymous maps, which take no memory; writing them makes the disk's blocks real, so that
    filling the map cannot meet a full disk.
    """
    row_bytes = key.width * stored_dtype(key.dtype).itemsize
    digests, values, checksums = (mmap.mmap(-1, rows * size) for size in (DIGEST_BYTES, row_bytes, CHECKSUM_BYTES))
    with pa.OSFile(path, "wb") as sink:
        write_arrow(sink, key, digests, values, checksums, rows)


def _fill(columns: ShardColumns, digests: Digests, reader: ArrowReader) -> None:
    columns.digests[:] = digests
    for part, values in reader.batches(CHUNK_ROWS):
        places = np.searchsorted(digests, part)
        columns.values[places] = values
        columns.checksums[places] = row_checksums(part, values)
