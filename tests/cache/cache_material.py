"""What the cache's tests share: a key, and rows that are a function of their digest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from cache import FeatureKey

WIDTH = 16


def key_of(dtype: str = "float16", width: int = WIDTH, **fields: str) -> FeatureKey:
    values = {"backbone": "ViT-B-32/abc/quickgelu", "transform": "resize224/bicubic"} | fields
    return FeatureKey(dtype=dtype, width=width, **values)


def digests_of(count: int, start: int = 0) -> list[str]:
    return [blake3(f"image {number}".encode()).hexdigest() for number in range(start, start + count)]


def rows_of(digests: Sequence[str], width: int = WIDTH) -> npt.NDArray[np.float32]:
    """(N, width): the same digest always gives the same row, so any two caches can be compared."""
    rows = [np.random.default_rng(int(digest[:8], 16)).standard_normal(width) for digest in digests]
    return np.array(rows, dtype=np.float32).reshape(len(digests), width)
