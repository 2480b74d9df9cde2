"""What a file format must offer to hold flat shards: it puts three columns into a file and says where they lie in it.

All else that a shard is (its name, its manifest entry, look-up, compaction, verification, repair) is the same for each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from cache.errors import CacheError
from cache.folder import Bytes
from cache.key import FeatureKey
from cache.rows import stored_dtype

LINE_BYTES, PAGE_BYTES, LARGE_BYTES = 64, 4096, 1 << 20


@dataclass(frozen=True, kw_only=True)
class ShardLayout:
    """What a shard's file says of itself.

    Args:
        key: of the cache that the file was written for.
        rows: rows in the file.
        digest_offset, checksum_offset, feature_offset: bytes from the file's start to each column's first value.
    """

    key: FeatureKey
    rows: int
    digest_offset: int
    checksum_offset: int
    feature_offset: int


class Container(Protocol):
    """A file format for flat shards. An object without state, of a class that can be pickled."""

    @property
    def name(self) -> str:
        """The store's name, and the ending of its data files."""

    def write(self, sink: Any, key: FeatureKey, digests: Any, checksums: Any, values: Any, rows: int) -> None:
        """Write one file: a header that holds `key_text(key)`, then the columns in this order, each in one piece.

        The text is in the header as it is, or as a string of JSON. The features come last, so that a file that was cut
        still has rows that can be verified, and begin at a round place (see `padding_bytes`).

        Args:
            sink: has `write(buffer)`.
            key: of the cache.
            digests: a buffer of `rows` times 32 bytes.
            checksums: a buffer of `rows` uint64, little-endian.
            values: a buffer of `rows` times `key.width` values in the stored dtype (bfloat16 as its bits).
            rows: rows in the file.
        """

    def read(self, data: Bytes) -> ShardLayout:
        """Where the columns lie in a file's bytes; that they lie within the file is checked by the caller.

        Raises:
            CacheError: the bytes are no such file, or a damaged one.
        """


def key_text(key: FeatureKey) -> bytes:
    """The key as files carry it: the JSON text that the name of the cache's folder is the digest of."""
    return json.dumps(key.as_dict(), sort_keys=True).encode()


def key_from_text(text: bytes | str) -> FeatureKey:
    """The inverse of `key_text`. Raises CacheError for a text that is no key's."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise CacheError("the file carries no feature key")
    return FeatureKey.from_dict(fields, "the file's header")


def padding_bytes(bytes_before: int, key: FeatureKey, rows: int) -> int:
    """How many bytes a file needs before its first row to let its features begin at a round place.

    Gathering rows of 1 KiB that straddle cache lines and pages costs a third more.

    Args:
        bytes_before: bytes of the header and the two columns before the features.
        key: of the cache.
        rows: rows in the file.
    """
    large = rows * key.width * stored_dtype(key.dtype).itemsize >= LARGE_BYTES
    return -bytes_before % (PAGE_BYTES if large else LINE_BYTES)
