"""The store of flat shards: immutable, each visible once its manifest entry is in place. No lock is needed to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError
from cache.findings import Problem, RepairReport, VerifyReport, Waiting
from cache.folder import Folder, LocalFolder
from cache.key import FeatureKey
from cache.locks import locked
from cache.rows import ABSENT, Digests, Values
from cache.shards.check import verify_shards
from cache.shards.compaction import merge, replaced_files
from cache.shards.container import Container
from cache.shards.entry import ShardEntry
from cache.shards.folder import LOCK_FILE, ShardFolder
from cache.shards.lookup import DigestLookup
from cache.shards.reader import OpenShards, ShardReader
from cache.shards.repair import repair_shards
from cache.stores import CompactInfo, ShardInfo


class ShardStore:
    """See `cache.stores.Store`."""

    def __init__(self, shards: ShardFolder) -> None:
        self._shards = shards
        self._entries: dict[str, ShardEntry] = {}
        self._lookup = DigestLookup()

    def refresh(self) -> None:
        listed = self._shards.entries(self._entries)
        opened = OpenShards(self._shards)
        if not self._entries.keys() <= listed.keys():  # compacted or repaired by somebody: begin anew
            self.close()
        for name in listed.keys() - self._entries.keys():
            # Row numbers are a reader's matter; here only presence counts.
            self._lookup.add(opened.columns(listed[name]).digests, 0)
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
        entry = self._shards.publish(digests, values)
        self._lookup.add(digests, 0)
        self._entries[entry.name] = entry
        return ShardInfo(entry.name, rows_written=entry.rows, rows_present=present, bytes_written=entry.file_bytes)

    def reader(self) -> ShardReader:
        return ShardReader(self._shards, self._by_age())

    def _by_age(self) -> list[ShardEntry]:
        return sorted(self._entries.values(), key=lambda entry: (entry.created_ns, entry.name))

    def compact(self, keep_replaced_seconds: float) -> CompactInfo:
        """See `cache.stores.Store`. Shards written meanwhile stay next to the merged one."""
        folder = self._shards.folder
        if not isinstance(folder, LocalFolder):
            raise CacheError(f"{folder.where} is not a local folder; compact the cache locally and copy it there")
        if not folder.path.is_dir():
            return CompactInfo(0, 0, 0)
        with locked(folder.path / LOCK_FILE):
            self.refresh()
            before = self._by_age()
            if len(before) > 1:
                merge(self._shards, folder, before)
            self.refresh()
            for replaced in replaced_files(self._shards, self._entries.values(), keep_replaced_seconds):
                if replaced.due:
                    Path(replaced.path).unlink(missing_ok=True)
        return CompactInfo(len(before), self.shards(), len(self.reader()))

    def shards(self) -> int:
        return len(self._entries)

    def bytes_on_disk(self) -> int:
        entries, shards = self._entries.values(), self._shards
        there = {name for entry in entries for name in (shards.data_file(entry.name), entry.entry_file)}
        return sum(shards.folder.size_bytes(name) or 0 for name in there)

    def waiting(self) -> list[Waiting]:
        return replaced_files(self._shards, self._entries.values())

    def verify(self, report: VerifyReport) -> None:
        entries = verify_shards(self._shards, report)
        report.waiting += replaced_files(self._shards, entries)

    def repair(self, problems: Sequence[Problem], report: RepairReport) -> None:
        repair_shards(self._shards, problems, report)

    def close(self) -> None:
        self._entries, self._lookup = {}, DigestLookup()


@dataclass(frozen=True)
class FlatShards:
    """The `cache.stores.StoreKind` of flat shards in files of one container."""

    container: Container

    @property
    def name(self) -> str:
        return self.container.name

    def open(self, folder: Folder, key: FeatureKey, cure: str) -> ShardStore:
        return ShardStore(ShardFolder(folder, key, self.container, cure))

    def keys(self, folder: Folder) -> Iterator[FeatureKey]:
        for name in folder.names():
            if name.endswith(f".{self.name}"):
                try:
                    yield self.container.read(folder.map(name)).key
                except (OSError, CacheError):
                    continue  # damaged too: the next shard says the same
