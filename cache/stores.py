"""What every store offers, whatever its files, and the one table of stores.

A store is added by a module with a `STORE`, a `StoreKind` (see `cache.extensions`); one of flat files only needs a
`cache.shards.Container`. `cache.testing` holds the tests that every store must pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError
from cache.extensions import Table
from cache.findings import Problem, RepairReport, VerifyReport, Waiting
from cache.folder import Folder
from cache.key import FeatureKey
from cache.rows import Digests, Values

REPLACED_KEPT_SECONDS = 24 * 3600.0
"""How long compaction leaves replaced files for readers that still map them."""


@dataclass(frozen=True)
class ShardInfo:
    """What one call of `write_shard` did.

    Args:
        name: the shard's name; None when every row was there already.
        rows_written: rows that are new in the cache.
        rows_present: rows that were there already and were left alone.
        bytes_written: bytes of the new shard's data.
    """

    name: str | None
    rows_written: int
    rows_present: int
    bytes_written: int


@dataclass(frozen=True)
class CompactInfo:
    """What `compact` did: shards and rows before and after, and whether anything was rewritten."""

    shards_before: int
    shards_after: int
    rows: int


class Reader(Protocol):
    """Reads rows by number. A reader sees the shards that were there when it was made; it can be pickled."""

    @property
    def key(self) -> FeatureKey:
        """The cache's key."""

    @property
    def dtype(self) -> str:
        """The key's dtype; rows of bfloat16 come as uint16 bits (`torch.from_numpy(rows).view(torch.bfloat16)`)."""

    @property
    def width(self) -> int:
        """Values per row."""

    def __len__(self) -> int:
        """Distinct images that can be read."""

    def rows(self, digests: Sequence[str]) -> npt.NDArray[np.int64]:
        """(N,) row numbers of N digests, good for this reader. Raises MissingRowsError when any is not there."""

    def take(self, rows: npt.ArrayLike) -> Values:
        """A copy (N, width) of N rows by number, in the order asked.

        Raises:
            IndexError: a number that is no row.
            DamagedShardError: a row's bytes are not what was written.
        """

    def matrix(self, *, check: bool = True) -> Values:
        """(rows, width), read-only, without a copy, where the cache is one flat shard; numbered as `rows` numbers.

        Args:
            check: verify every row's checksum first, which reads all of it; False leaves that to `cache verify`.

        Raises:
            CacheError: the cache is not one flat shard; the message says how to make it one.
            DamagedShardError: a row's bytes are not what was written.
        """

    def batches(self, rows_per_batch: int) -> Iterator[tuple[Digests, Values]]:
        """Every image once, as (N,) digests and (N, width) rows, verified; N <= rows_per_batch."""

    def close(self) -> None:
        """Let go of the files; the reader opens them again when it is used again."""


class Store(Protocol):
    """Keeps the rows of one cache, in a folder that holds nothing else.

    Any number of processes may use one folder at once; one object is for one thread. What was written is durable when
    `write` returns, and a writer that is killed at any time loses no row of before. An unfinished file's name begins
    with `cache.folder.TEMPORARY_PREFIX`. Errors are CacheErrors that name the file and the command that cures it.
    """

    def refresh(self) -> None:
        """See what other processes wrote. Raises DamagedShardError for what cannot be seen because it is damaged."""

    def present(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """(N,) whether each of N digests had a row at the last refresh."""

    def write(self, digests: Digests, values: Values) -> ShardInfo:
        """Add the rows that are not there yet, all of them or none: N ascending digests (N,), values (N, W)."""

    def reader(self) -> Reader:
        """A reader of what the last refresh saw."""

    def compact(self, keep_replaced_seconds: float) -> CompactInfo:
        """Put all rows into the form that reads fastest; readers opened before keep working.

        Args:
            keep_replaced_seconds: how long files that this replaces stay for such readers.

        Raises:
            DamagedShardError: a row is not what was written; nothing has changed then.
        """

    def shards(self) -> int:
        """How many shards the last refresh saw; a store that is one file counts as one where it has a row."""

    def bytes_on_disk(self) -> int:
        """Bytes of the files that hold the rows seen by the last refresh; what waits for deletion is not counted."""

    def waiting(self) -> list[Waiting]:
        """What the shards seen by the last refresh have replaced; unfinished files are found without the store."""

    def verify(self, report: VerifyReport) -> None:
        """Compare every byte with what was written and add what was found, `waiting` included. Changes nothing."""

    def repair(self, problems: Sequence[Problem], report: RepairReport) -> None:
        """Drop what is damaged and keep every row that is whole. Nobody else is writing.

        Args:
            problems: what `verify` found; those of kinds `foreign` and `identity` are not the store's.
            report: where to note what was done.
        """

    def close(self) -> None:
        """Let go of the files, so that the folder can be moved or deleted; `refresh` opens them again."""


class StoreKind(Protocol):
    """A format of stores: what the table holds."""

    @property
    def name(self) -> str:
        """What the configuration and cache.json call it; also the name of its folder in a cache."""

    def open(self, folder: Folder, key: FeatureKey, cure: str) -> Store:
        """The store in a folder, which need not be there yet. Reads and writes nothing.

        Args:
            folder: the store's own.
            key: the cache's key.
            cure: the command that an error about damage tells the reader to run.

        Raises:
            CacheError: it cannot be kept in such a folder.
        """

    def keys(self, folder: Folder) -> Iterator[FeatureKey]:
        """The keys that the files in a folder carry, whole or not: how a cache is known whose cache.json is lost."""


STORES: Table[StoreKind] = Table("store", {"arrow": "cache.arrow.store", "lmdb": "cache.lmdb.store"})


def store_kind(name: str) -> StoreKind:
    """The store of this name. Raises CacheError where there is none."""
    try:
        return STORES[name]
    except ValueError as error:
        raise CacheError(f"{error}; for a store of your own name its plugin, or install its package") from error


def open_store(cache: Folder, key: FeatureKey, name: str) -> Store:
    """The store in a cache's folder. Raises CacheError where there is no such store, or not in such a folder."""
    try:
        kind = store_kind(name)
    except CacheError as error:
        raise CacheError(f"cache {cache.where}: {error}") from error
    return kind.open(cache.child(name), key, repair_command(cache))


def repair_command(cache: Folder) -> str:
    """The command that errors about damage in a cache's folder tell people to run."""
    root, _, digest = cache.where.rpartition("/")
    return f"spg-dist cache repair {root} {digest}"
