"""One flat shard: the manifest entry that makes it visible, and its columns, whatever file holds them.

docs/cache-format.md describes both for other programs.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError, DamagedShardError
from cache.folder import Bytes
from cache.key import FeatureKey
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES, DIGEST_TYPE, Digests, Values, stored_dtype
from cache.sealed import seal, unseal
from cache.shards.container import key_text

SHARD_NAME = re.compile(r"[0-9a-f]{32}")
ENTRY_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """A shard's line in the manifest: what its file must be, and where in the file the three columns lie.

    Args:
        name: xxh3_128 of the whole data file; the file is `<name>.<container>`, this entry `<name>.json`.
        rows: rows in the shard.
        file_bytes: size of the data file.
        digest_offset, feature_offset, checksum_offset: bytes from the file's start to each column's first value.
        created_ns: nanoseconds since 1970 when it was written; of two shards with the same image the older counts.
        replaces: names of the shards that this one was compacted from.
    """

    name: str
    rows: int
    file_bytes: int
    digest_offset: int
    feature_offset: int
    checksum_offset: int
    created_ns: int
    replaces: tuple[str, ...] = ()

    @property
    def entry_file(self) -> str:
        return self.name + ENTRY_SUFFIX

    def to_json(self) -> bytes:
        """The entry as JSON, with a checksum over itself."""
        return seal(asdict(self))

    def require_possible(self, where: str) -> None:
        """Raises DamagedShardError, naming `where`, for numbers that no file has; its last rows may be cut off."""
        counts = (self.rows, self.file_bytes, self.digest_offset, self.feature_offset, self.checksum_offset)
        if not all(type(count) is int and count >= 0 for count in (*counts, self.created_ns)):
            raise DamagedShardError(f"{where} holds a number that is no whole one of at least 0", where)
        ends = (
            self.digest_offset + DIGEST_BYTES * self.rows,
            self.feature_offset,
            self.checksum_offset + CHECKSUM_BYTES * self.rows,
        )
        if max(ends) > self.file_bytes:
            raise DamagedShardError(f"{where} tells of {self.rows} rows, for which its file is too short", where)

    @classmethod
    def from_json(cls, data: bytes, where: str) -> ShardEntry:
        """Read `to_json`'s bytes. Raises DamagedShardError when they are not what was written."""
        body = unseal(data, where)
        try:
            entry = cls(**body | {"replaces": tuple(body["replaces"])})
        except (KeyError, TypeError) as error:
            raise DamagedShardError(f"{where} is no manifest entry: {error!r}", where) from None
        entry.require_possible(where)
        if not all(isinstance(name, str) and SHARD_NAME.fullmatch(name) for name in (entry.name, *entry.replaces)):
            raise DamagedShardError(f"{where} holds names that are no shard's", where)
        return entry


class ShardColumns:
    """The three columns of a shard, as arrays over the file's bytes without a copy.

    `digests` (N,) S32 ascending, `values` (N, W) in the stored dtype, `checksums` (N,) uint64.

    Args:
        data: the file's bytes.
        entry: the shard's entry.
        key: the cache's key.
        rows: how many rows to look at, from the first; by default all.

    Raises:
        CacheError: the file ends before a column does.
    """

    def __init__(self, data: Bytes, entry: ShardEntry, key: FeatureKey, rows: int | None = None) -> None:
        count, dtype = entry.rows if rows is None else rows, stored_dtype(key.dtype)
        self.digests: Digests = _column(data, entry.digest_offset, count, DIGEST_TYPE)
        self.values: Values = _column(data, entry.feature_offset, count * key.width, dtype).reshape(-1, key.width)
        self.checksums: npt.NDArray[np.uint64] = _column(data, entry.checksum_offset, count, np.dtype("<u8"))


def _column(data: Bytes, offset: int, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    end = offset + count * dtype.itemsize
    if offset < 0 or end > len(data):
        raise CacheError(f"column at byte {offset} of {count} values ends at {end}, beyond the file's {len(data)}")
    return np.ndarray((count,), dtype=dtype, buffer=data.data, offset=offset)


def carries_key(data: Bytes, entry: ShardEntry, key: FeatureKey) -> bool:
    """Whether a shard's file is of this cache: its header holds the key's text, as it is or as a string of JSON.

    Searched, not parsed: it is asked of every shard that is opened, also of damaged ones.
    """
    header, text = data[: entry.digest_offset].tobytes(), key_text(key)
    return text in header or json.dumps(text.decode())[1:-1].encode() in header
