"""The folder of one cache's flat shards: what its files are called, how one is described, written and listed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from xxhash import xxh3_128_hexdigest

from cache.errors import CacheError, DamagedShardError
from cache.extensions import carried
from cache.folder import Bytes, Folder
from cache.key import FeatureKey
from cache.rows import Digests, Values, row_checksums
from cache.shards.container import Container
from cache.shards.entry import ENTRY_SUFFIX, SHARD_NAME, ShardEntry

LOCK_FILE = ".compaction.lock"
"""Held by whoever merges or repairs shards."""


@dataclass(frozen=True)
class ShardFolder:
    """Where the shards are, of what key, in which container.

    Args:
        cure: the command that an error about damage tells the reader to run.
    """

    folder: Folder
    key: FeatureKey
    container: Container
    cure: str

    def __reduce__(self) -> tuple[Any, ...]:
        return carried(ShardFolder, self.folder, self.key, self.container, self.cure)

    @property
    def data_suffix(self) -> str:
        """The ending of data files."""
        return f".{self.container.name}"

    def data_file(self, name: str) -> str:
        """The name of a shard's data file."""
        return name + self.data_suffix

    def path(self, name: str) -> str:
        """Path or URI of a shard's data file."""
        return f"{self.folder.where}/{self.data_file(name)}"

    def entry_of(
        self, data: Bytes, created_ns: int, replaces: tuple[str, ...] = (), name: str | None = None
    ) -> ShardEntry:
        """Describe a data file that lies in memory or in a map.

        A `name` that is known already saves reading all of the file for it.

        Raises:
            CacheError: it is no such file, or one of another key.
        """
        layout = self.container.read(data)
        if layout.key != self.key:
            raise CacheError(f"the file is of {layout.key}; expected {self.key}")
        entry = ShardEntry(
            name=name or xxh3_128_hexdigest(data.data),
            rows=layout.rows,
            file_bytes=len(data),
            digest_offset=layout.digest_offset,
            feature_offset=layout.feature_offset,
            checksum_offset=layout.checksum_offset,
            created_ns=created_ns,
            replaces=replaces,
        )
        entry.require_possible(f"the header of a file in {self.folder.where}")
        return entry

    def is_of_another_cache(self, data: Bytes, name: str) -> bool:
        """Whether a file named like a shard is whole, and no shard of this key. Reads all of one that is none."""
        try:
            if self.container.read(data).key == self.key:
                return False
        except CacheError:
            pass  # damaged, or of a program that knows more than this one: its checksum tells
        return xxh3_128_hexdigest(data.data) == name

    def publish(self, digests: Digests, values: Values) -> ShardEntry:
        """Write one shard and make it visible: N ascending digests (N,) and their values (N, W) as stored."""
        digests, values = np.ascontiguousarray(digests), np.ascontiguousarray(values)
        checksums, sink = row_checksums(digests, values), pa.BufferOutputStream()
        self.container.write(
            sink,
            self.key,
            digests.view(np.uint8),
            checksums.view(np.uint8),
            values.reshape(-1).view(np.uint8),
            len(digests),
        )
        data = np.frombuffer(sink.getvalue(), dtype=np.uint8)
        entry = self.entry_of(data, time.time_ns())
        self.folder.write(self.data_file(entry.name), data)
        self.folder.write(entry.entry_file, entry.to_json())
        return entry

    def entries(self, known: dict[str, ShardEntry]) -> dict[str, ShardEntry]:
        """The manifest: every entry in the folder by shard name; those in `known` are not read again.

        Raises:
            DamagedShardError: an entry is not what was written.
        """
        while True:
            names = [name.removesuffix(ENTRY_SUFFIX) for name in self.folder.names() if name.endswith(ENTRY_SUFFIX)]
            entries: dict[str, ShardEntry] = {}
            try:
                for name in names:
                    if SHARD_NAME.fullmatch(name):
                        entries[name] = known.get(name) or self._read_entry(name)
            except FileNotFoundError:
                continue  # a compaction replaced it between the listing and the reading: list again
            return entries

    def _read_entry(self, name: str) -> ShardEntry:
        where = f"{self.folder.where}/{name}{ENTRY_SUFFIX}"
        try:
            entry = ShardEntry.from_json(self.folder.read(name + ENTRY_SUFFIX), where)
        except DamagedShardError as error:
            raise DamagedShardError(f"{error}; run `{self.cure}`", where) from None
        if entry.name != name:
            raise DamagedShardError(f"manifest entry {where} describes shard {entry.name}; run `{self.cure}`", where)
        return entry
