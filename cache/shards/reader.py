"""Reading flat shards: rows by number from memory maps, each row verified when it is first touched."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError, DamagedShardError, missing_rows
from cache.rows import ABSENT, Digests, Values, digests_from_hex, digests_to_hex, row_checksums, stored_dtype
from cache.shards.entry import ShardColumns, ShardEntry, carries_key
from cache.shards.folder import ShardFolder
from cache.shards.lookup import DigestLookup

OPEN_SHARDS = 256
"""Shards kept mapped at once: each map holds a file descriptor, and 1,024 of those is a usual limit."""


class OpenShards:
    """Maps shards when they are needed and lets go of those not used for longest."""

    def __init__(self, shards: ShardFolder) -> None:
        self.shards = shards
        self._columns: OrderedDict[str, ShardColumns] = OrderedDict()
        self._lock = threading.Lock()

    def columns(self, entry: ShardEntry) -> ShardColumns:
        """The columns of one shard. Raises DamagedShardError where its file is gone or has another size."""
        with self._lock:
            columns = self._columns.get(entry.name)
            if columns is None:
                columns = self._columns[entry.name] = self._open(entry)
                if len(self._columns) > OPEN_SHARDS:
                    self._columns.popitem(last=False)
            self._columns.move_to_end(entry.name)
            return columns

    def _open(self, entry: ShardEntry) -> ShardColumns:
        shards, path = self.shards, self.shards.path(entry.name)
        try:
            data = shards.folder.map(shards.data_file(entry.name))
        except FileNotFoundError:
            raise DamagedShardError(f"shard {path} is missing; run `{shards.cure}`", path) from None
        if len(data) != entry.file_bytes:
            found = f"has {len(data):,} bytes where {entry.file_bytes:,} were written"
            raise DamagedShardError(f"shard {path} {found}; run `{shards.cure}`", path)
        if not carries_key(data, entry, shards.key):
            raise DamagedShardError(
                f"shard {path} does not carry this cache's key: if it is damaged, run `{shards.cure}`; if it is of "
                "another cache, which repair leaves alone, move it and its entry away",
                path,
            )
        return ShardColumns(data, entry, shards.key)

    def close(self) -> None:
        """Forget the maps; arrays that were handed out keep theirs."""
        with self._lock:
            self._columns.clear()


class ShardReader:
    """The Reader (see `cache.stores.Reader`) of a fixed list of shards; row numbers run through them in order.

    Several threads may use one reader.
    """

    def __init__(self, shards: ShardFolder, entries: Sequence[ShardEntry]) -> None:
        self.key = shards.key
        self._entries = tuple(entries)
        self._shards, self._opened = shards, OpenShards(shards)
        self._starts = np.cumsum([0, *(entry.rows for entry in self._entries)], dtype=np.int64)
        self._verified = np.zeros(int(self._starts[-1]), dtype=np.bool_)
        self._all_verified = False
        self._lookup: DigestLookup | None = None
        self._distinct: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardReader, (self._shards, self._entries)

    @property
    def dtype(self) -> str:
        return self.key.dtype

    @property
    def width(self) -> int:
        return self.key.width

    def __len__(self) -> int:
        if self._distinct is None:
            distinct = sum(len(own) for _, own in self._first_rows()) if len(self._entries) > 1 else self._row_count()
            self._distinct = distinct
        return self._distinct

    def _row_count(self) -> int:
        return len(self._verified)

    def rows(self, digests: Sequence[str]) -> npt.NDArray[np.int64]:
        found = self._find(digests_from_hex(digests))
        absent = np.flatnonzero(found == ABSENT)
        if len(absent):
            raise missing_rows(self._shards.folder.where, [digests[row] for row in absent.tolist()], len(digests))
        return found

    def _find(self, digests: Digests) -> npt.NDArray[np.int64]:
        if self._lookup is None:
            self._lookup = DigestLookup()
            for start, entry in zip(self._starts, self._entries, strict=False):
                self._lookup.add(self._opened.columns(entry).digests, int(start))
        return self._lookup.find(digests)

    def take(self, rows: npt.ArrayLike) -> Values:
        numbers = np.asarray(rows, dtype=np.int64)
        # As unsigned, a negative number is a huge one: one pass checks both ends.
        if numbers.size and int(numbers.view(np.uint64).max()) >= self._row_count():
            raise IndexError(f"row numbers {numbers.min()}..{numbers.max()}; this reader has {self._row_count()} rows")
        if not self._all_verified:
            self._verify(numbers[~self._verified[numbers]])
        if len(self._entries) == 1:
            return np.take(self._opened.columns(self._entries[0]).values, numbers, axis=0)
        taken = np.empty((len(numbers), self.width), dtype=stored_dtype(self.dtype))
        for shard, where in self._by_shard(numbers):
            taken[where] = self._opened.columns(self._entries[shard]).values[numbers[where] - self._starts[shard]]
        return taken

    def _by_shard(self, numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
        """Pairs of a shard's position and the positions in `numbers` that lie in it."""
        if not len(numbers):
            return
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        order = np.argsort(shards, kind="stable")
        used, first = np.unique(shards[order], return_index=True)
        for shard, where in zip(used, np.split(order, first[1:]), strict=True):
            yield int(shard), where

    def _verify(self, numbers: npt.NDArray[np.int64]) -> None:
        """Compare rows that nobody touched yet with their checksums."""
        if not len(numbers):
            return
        numbers = np.unique(numbers)
        for shard, where in self._by_shard(numbers):
            columns = self._opened.columns(self._entries[shard])
            local = numbers[where] - self._starts[shard]
            wrong = row_checksums(columns.digests[local], columns.values[local]) != columns.checksums[local]
            if wrong.any():
                raise self._damaged(self._entries[shard], digests_to_hex(columns.digests[local][wrong]))
        self._verified[numbers] = True
        self._all_verified = bool(self._verified.all())

    def _damaged(self, entry: ShardEntry, digests: list[str]) -> DamagedShardError:
        path = self._shards.path(entry.name)
        return DamagedShardError(
            f"shard {path} is damaged: {len(digests)} rows fail their checksum, the first for image digest "
            f"{digests[0]}; run `{self._shards.cure}`, then encode again",
            path,
            digests,
        )

    def matrix(self, *, check: bool = True) -> Values:
        if len(self._entries) != 1:
            raise CacheError(
                f"{self._shards.folder.where} has {len(self._entries)} shards, so there is no single matrix to map; "
                "call `FeatureCache.compact()` first, or read rows with `take`"
            )
        if check:
            for start in range(0, self._row_count(), 8192):
                chunk = np.arange(start, min(start + 8192, self._row_count()))
                self._verify(chunk[~self._verified[chunk]])
        return self._opened.columns(self._entries[0]).values

    def digests(self) -> Digests:
        """All distinct digests, ascending."""
        runs = [self._opened.columns(entry).digests for entry in self._entries]
        return np.unique(np.concatenate(runs)) if runs else digests_from_hex([])

    def batches(self, rows_per_batch: int) -> Iterator[tuple[Digests, Values]]:
        for shard, own in self._first_rows():
            for start in range(0, len(own), rows_per_batch):
                numbers = own[start : start + rows_per_batch]
                digests = self._opened.columns(self._entries[shard]).digests[numbers - self._starts[shard]]
                yield digests, self.take(numbers)

    def _first_rows(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """By shard, the numbers of the rows that count: of racing writers' doubles only one does."""
        for shard, entry in enumerate(self._entries):
            numbers = np.arange(entry.rows) + self._starts[shard]
            yield shard, numbers[self._find(self._opened.columns(entry).digests) == numbers]

    def close(self) -> None:
        self._lookup = None
        self._opened.close()
