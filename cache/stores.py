"""What every store offers, whatever its files: the one interface above Arrow and LMDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from cache.key import FeatureKey
from cache.rows import Digests, Values

StoreName = Literal["arrow", "lmdb"]
STORES: tuple[str, ...] = get_args(StoreName)


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
        """(rows, width), read-only, without a copy, where the cache is one Arrow shard; numbered as `rows` numbers.

        Args:
            check: verify every row's checksum first, which reads all of it; False leaves that to `cache verify`.

        Raises:
            CacheError: the cache is not one Arrow shard; the message says how to make it one.
            DamagedShardError: a row's bytes are not what was written.
        """

    def batches(self, rows_per_batch: int) -> Iterator[tuple[Digests, Values]]:
        """Every image once, as (N,) digests and (N, width) rows, verified; N <= rows_per_batch."""

    def close(self) -> None:
        """Let go of the files; the reader opens them again when it is used again."""


class Store(Protocol):
    """Keeps rows on disk."""

    def refresh(self) -> None:
        """See what other processes wrote."""

    def present(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """(N,) whether each of N digests has a row."""

    def write(self, digests: Digests, values: Values) -> ShardInfo:
        """Add the rows that are not there yet, all of them or none."""

    def reader(self) -> Reader:
        """A reader of what is visible now."""

    def compact(self, keep_replaced_seconds: float) -> CompactInfo:
        """Put all rows into the form that reads fastest."""

    def bytes_on_disk(self) -> int:
        """Bytes of the files that hold the rows seen by the last refresh; what waits for deletion is not counted."""
