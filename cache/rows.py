"""Rows in memory: digests as sortable bytes, values in the stored dtype, and a checksum for each row.

Legend: N rows, W values per row (the key's width), B bytes per row.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from cache.errors import CacheError

DIGEST_BYTES = 32
CHECKSUM_BYTES = 8

DIGEST_TYPE = np.dtype("S32")

ABSENT = -1
"""Stands for the row number of an image that has no row."""

Digests = npt.NDArray[np.bytes_]
"""(N,) of S32. NumPy drops trailing NULs of single elements: turn them to text with `digests_to_hex` only."""
Values = npt.NDArray[np.generic]
"""(N, W) in the stored dtype; bfloat16 is held as its uint16 bits."""

_STORED: dict[str, np.dtype[np.generic]] = {
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "bfloat16": np.dtype("<u2"),
}

assert sys.byteorder == "little", "the layout is little-endian and rows are mapped as they lie"


def stored_dtype(dtype: str) -> np.dtype[np.generic]:
    """NumPy's dtype for a key's dtype; bfloat16, which NumPy lacks, is uint16 with the same bits."""
    return _STORED[dtype]


def digests_from_hex(digests: Sequence[str]) -> Digests:
    """(N,) S32 of N hexadecimal blake3 digests. Raises CacheError for a text that is none."""
    for digest in digests:
        if len(digest) != 2 * DIGEST_BYTES:
            raise CacheError(f"image digest {digest!r} has {len(digest)} characters; expected 64 hexadecimal digits")
    try:
        raw = bytes.fromhex("".join(digests))
    except ValueError as error:
        raise CacheError(f"image digests must be 64 hexadecimal digits each: {error}") from None
    if len(raw) != DIGEST_BYTES * len(digests):
        raise CacheError("image digests must be 64 hexadecimal digits each, without blanks")
    return np.frombuffer(raw, dtype=DIGEST_TYPE)


def digests_to_hex(digests: Digests) -> list[str]:
    """The inverse of `digests_from_hex`."""
    text = np.ascontiguousarray(digests).tobytes().hex()
    return [text[start : start + 64] for start in range(0, len(text), 64)]


def row_checksums(digests: Digests, values: Values) -> npt.NDArray[np.uint64]:
    """(N,) xxh3_64 of each row's bytes, seeded with xxh3_64 of its digest: a row put under a wrong digest fails too."""
    names = np.ascontiguousarray(digests).view(np.uint8).data
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    row_bytes = values.shape[1] * values.dtype.itemsize
    checksums = np.empty(len(digests), dtype=np.uint64)
    for row in range(len(digests)):
        seed = xxh3_64_intdigest(names[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES])
        checksums[row] = xxh3_64_intdigest(data[row * row_bytes : (row + 1) * row_bytes], seed=seed)
    return checksums


def sorted_rows(digests: Sequence[str], rows: npt.ArrayLike, dtype: str, width: int) -> tuple[Digests, Values]:
    """Check and convert what a caller wants stored.

    Args:
        digests: N digests, in the order of `rows`.
        rows: (N, width) of float16, float32, float64, or uint16 bits when `dtype` is bfloat16.
        dtype: the key's dtype.
        width: the key's width.

    Returns:
        N' <= N digests in ascending order without repetition, and their values (N', width) as stored.

    Raises:
        CacheError: wrong shape or dtype, a value that is not finite (before or after conversion), or one digest with
            two different rows.
    """
    values = np.asarray(rows)
    if values.shape != (len(digests), width):
        raise CacheError(f"rows have shape {values.shape}; expected ({len(digests)}, {width}): one row per digest")
    names = digests_from_hex(digests)
    stored = _converted(values, dtype)
    finite = _finite(stored, dtype).all(axis=1)
    if not finite.all():
        bad = digests_to_hex(names[~finite])
        raise CacheError(
            f"{len(bad)} of {len(names)} rows hold NaN or infinity as {dtype}, the first for image digest {bad[0]}; "
            "look at that image, or store float32 if the values are truly beyond the range"
        )
    unique, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    if len(unique) < len(names):
        same = (stored[first][inverse] == stored).all(axis=1)
        if not same.all():
            digest = digests_to_hex(names[~same])[0]
            raise CacheError(f"image digest {digest} is given twice with different rows; expected one row per image")
    return np.ascontiguousarray(unique), np.ascontiguousarray(stored[first])


def _converted(values: Values, dtype: str) -> Values:
    if dtype == "bfloat16" and values.dtype == np.uint16:
        return values
    if values.dtype not in (np.float16, np.float32, np.float64):
        raise CacheError(f"rows are {values.dtype}; expected float16 or float32, to be stored as {dtype}")
    if dtype == "bfloat16":
        return _bfloat16_bits(values.astype(np.float32))
    with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused by name
        return values.astype(stored_dtype(dtype))


def _bfloat16_bits(values: npt.NDArray[np.float32]) -> Values:
    """Round to nearest, ties to even, as the hardware does; what is not finite stays not finite."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    special = ~np.isfinite(values)
    return np.where(special, (bits >> np.uint32(16)) | np.uint32(special), rounded).astype(np.uint16)


def _finite(stored: Values, dtype: str) -> npt.NDArray[np.bool_]:
    if dtype == "bfloat16":
        return np.asarray((stored.view(np.uint16) & np.uint16(0x7F80)) != np.uint16(0x7F80), dtype=np.bool_)
    return np.asarray(np.isfinite(stored.astype(stored_dtype(dtype), copy=False)), dtype=np.bool_)
