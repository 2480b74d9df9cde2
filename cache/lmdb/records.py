"""How rows lie in an LMDB store.

Database `rows`: row number (8 bytes, big-endian) -> checksum (8, little-endian) + digest (32) + the row's values.
Database `index`: digest -> row number. Numbers are given in the order of writing and never twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cache.key import FeatureKey
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES, Digests, Values, row_checksums, stored_dtype

NEXT_ROW = b"next row"
"""Key in the unnamed database: the number that the next row gets."""
DIGEST_PART = slice(CHECKSUM_BYTES, CHECKSUM_BYTES + DIGEST_BYTES)
"""Where in a record the digest lies."""


def record_type(key: FeatureKey) -> np.dtype[Any]:
    """One value of the database `rows`."""
    return np.dtype([("checksum", "<u8"), ("digest", "S32"), ("values", stored_dtype(key.dtype), (key.width,))])


def records(key: FeatureKey, digests: Digests, values: Values) -> list[bytes]:
    """N values of the database `rows`, for N digests (N,) and values (N, W)."""
    packed = np.empty(len(digests), dtype=record_type(key))
    packed["digest"], packed["values"] = digests, values
    packed["checksum"] = row_checksums(digests, values)
    data, size = packed.tobytes(), packed.dtype.itemsize
    return [data[start : start + size] for start in range(0, len(data), size)]


def whole_records(packed: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """(N,) which of N records are as they were written."""
    return np.asarray(row_checksums(packed["digest"], packed["values"]) == packed["checksum"], dtype=np.bool_)


def row_keys(numbers: npt.NDArray[np.int64]) -> list[bytes]:
    """LMDB keys of row numbers: big-endian, so that their order in the file is the numbers' order."""
    packed = numbers.astype(">u8").tobytes()
    return [packed[start : start + 8] for start in range(0, len(packed), 8)]


def digest_keys(digests: Digests) -> list[bytes]:
    """LMDB keys of digests."""
    packed = np.ascontiguousarray(digests).tobytes()
    return [packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES)]
