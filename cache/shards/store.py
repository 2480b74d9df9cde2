"""The Arrow store: immutable shards, each visible once its manifest entry is in place. No lock is needed to write."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from cache.errors import DamagedShardError
from cache.folder import Folder
from cache.key import FeatureKey
from cache.rows import Digests, Values, row_checksums
from cache.shards.compaction import compact
from cache.shards.entry import ENTRY_SUFFIX, SHARD_NAME, ShardEntry, arrow_bytes, entry_of
from cache.shards.lookup import ABSENT, DigestLookup
from cache.shards.reader import ArrowReader, OpenShards
from cache.stores import CompactInfo, ShardInfo


class ArrowStore:
    """See `cache.stores.Store`. `mend` is the command that an error about damage tells the reader to run."""

    def __init__(self, folder: Folder, key: FeatureKey, mend: str) -> None:
        self.folder, self.key, self.mend = folder, key, mend
        self._entries: dict[str, ShardEntry] = {}
        self._lookup = DigestLookup()

    def entries(self) -> list[ShardEntry]:
        """The shards seen by the last refresh, oldest first."""
        return sorted(self._entries.values(), key=lambda entry: (entry.created_ns, entry.name))

    def refresh(self) -> None:
        listed = read_entries(self.folder, self._entries, self.mend)
        shards = OpenShards(self.folder, self.key, self.mend)
        if not self._entries.keys() <= listed.keys():  # compacted or repaired by somebody: begin anew
            self._entries, self._lookup = {}, DigestLookup()
        for name in listed.keys() - self._entries.keys():
            # Row numbers are a reader's matter; here only presence counts.
            self._lookup.add(shards.columns(listed[name]).digests, 0)
            self._entries[name] = listed[name]

    def present(self, digests: Digests) -> npt.NDArray[np.bool_]:
        return np.not_equal(self._lookup.find(digests), ABSENT)

    def write(self, digests: Digests, values: Values) -> ShardInfo:
        self.refresh()
        new = ~self.present(digests)
        digests, values = np.ascontiguousarray(digests[new]), np.ascontiguousarray(values[new])
        present = int((~new).sum())
        if not len(digests):
            return ShardInfo(name=None, rows_written=0, rows_present=present, bytes_written=0)
        entry = publish(self.folder, self.key, digests, values)
        self._lookup.add(digests, 0)
        self._entries[entry.name] = entry
        return ShardInfo(entry.name, rows_written=entry.rows, rows_present=present, bytes_written=entry.file_bytes)

    def reader(self) -> ArrowReader:
        return ArrowReader(self.folder, self.key, self.entries(), self.mend)

    def compact(self, keep_replaced_seconds: float) -> CompactInfo:
        return compact(self, keep_replaced_seconds)

    def bytes_on_disk(self) -> int:
        there = {name for entry in self._entries.values() for name in (entry.data_file, entry.entry_file)}
        return sum(self.folder.size_bytes(name) or 0 for name in there)


def publish(folder: Folder, key: FeatureKey, digests: Digests, values: Values) -> ShardEntry:
    """Write one shard and make it visible: N ascending digests (N,) and their values (N, W) as stored."""
    data = arrow_bytes(key, np.ascontiguousarray(digests), np.ascontiguousarray(values), row_checksums(digests, values))
    entry = entry_of(data, key, time.time_ns())
    folder.write(entry.data_file, data)
    folder.write(entry.entry_file, entry.to_json())
    return entry


def read_entries(folder: Folder, known: dict[str, ShardEntry], mend: str) -> dict[str, ShardEntry]:
    """The manifest: every entry in the folder by shard name; those in `known` are not read again.

    Raises:
        DamagedShardError: an entry is not what was written.
    """
    while True:
        names = [name.removesuffix(ENTRY_SUFFIX) for name in folder.names() if name.endswith(ENTRY_SUFFIX)]
        entries: dict[str, ShardEntry] = {}
        try:
            for name in names:
                if SHARD_NAME.fullmatch(name):
                    entries[name] = known.get(name) or _read_entry(folder, name, mend)
        except FileNotFoundError:
            continue  # a compaction replaced it between the listing and the reading: list again
        return entries


def _read_entry(folder: Folder, name: str, mend: str) -> ShardEntry:
    where = f"{folder.where}/{name}{ENTRY_SUFFIX}"
    try:
        entry = ShardEntry.from_json(folder.read(name + ENTRY_SUFFIX), where)
    except DamagedShardError as error:
        raise DamagedShardError(f"{error}; run `{mend}`", where) from None
    if entry.name != name:
        raise DamagedShardError(f"manifest entry {where} describes shard {entry.name}; run `{mend}`", where)
    return entry
