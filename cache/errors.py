"""What can go wrong with a cache, as errors that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence


class CacheError(ValueError):
    """A cache cannot do what was asked; the message says what, where, and what to run."""


class MissingRowsError(CacheError):
    """Rows were asked for that nobody has encoded yet. `digests` lists them, in the order asked."""

    def __init__(self, message: str, digests: Sequence[str]) -> None:
        super().__init__(message)
        self.digests = tuple(digests)


class DamagedShardError(CacheError):
    """Stored bytes differ from the bytes that were written: a flipped bit, a truncation or a lost file.

    `shard` is the path of the file, `digests` the rows known to be hurt (empty when the whole file is suspect).
    """

    def __init__(self, message: str, shard: str, digests: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.shard = shard
        self.digests = tuple(digests)


def missing_rows(where: str, absent: Sequence[str], asked: int) -> MissingRowsError:
    """The error for images that are not in the cache at `where`: `absent` of the `asked` ones, by digest."""
    return MissingRowsError(
        f"{len(absent)} of {asked} images are not in the cache {where}, the first has digest {absent[0]}; "
        "encode them first: the encode job fills exactly what `FeatureCache.missing` lists",
        absent,
    )
