"""What tests of caches are made of: a key, and rows that are a function of their digest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from cache import FeatureCache, FeatureKey

WIDTH = 16


def key_of(dtype: str = "float16", width: int = WIDTH, **fields: Any) -> FeatureKey:
    """A key; `fields` are those of a `FeatureKey`."""
    values = {"backbone": "ViT-B-32/abc/quickgelu", "transform": "resize224/bicubic"} | fields
    return FeatureKey(dtype=dtype, width=width, **values)


def digests_of(count: int, start: int = 0) -> list[str]:
    """The digests of images `start` to `start + count - 1`."""
    return [blake3(f"image {number}".encode()).hexdigest() for number in range(start, start + count)]


def rows_of(digests: Sequence[str], width: int = WIDTH) -> npt.NDArray[np.float32]:
    """(N, width): the same digest always gives the same row, so any two caches can be compared."""
    rows = [np.random.default_rng(int(digest[:8], 16)).standard_normal(width) for digest in digests]
    return np.array(rows, dtype=np.float32).reshape(len(digests), width)


def as_stored(rows: npt.NDArray[np.float32], dtype: str) -> npt.NDArray[Any]:
    """What torch would store: bfloat16 by way of the definition, round to nearest, ties to even."""
    if dtype != "bfloat16":
        return rows.astype(dtype)
    exact = rows.astype(np.float32).view(np.uint32).astype(np.uint64)
    low, high = exact & 0xFFFF, exact >> 16
    return np.asarray(high + ((low > 0x8000) | ((low == 0x8000) & (high & 1 == 1)))).astype(np.uint16)


def filled(root: Path, store: str, count: int = 40, **fields: Any) -> FeatureCache:
    """A cache of `count` rows, images 0 to `count - 1`, written in shards of 8."""
    cache = FeatureCache.open(root, key_of(**fields), store=store, provenance={"dataset": "pacs", "images": count})
    for start in range(0, count, 8):
        digests = digests_of(min(8, count - start), start)
        cache.write_shard(digests, rows_of(digests))
    return cache


def flip(path: Path, byte: int, bit: int = 0) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b") as file:
        file.seek(byte)
        value = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([value ^ (1 << bit)]))
