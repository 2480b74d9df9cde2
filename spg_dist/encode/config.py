"""How images become cached features."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from cache import STORES
from spg_dist.data import Pixels


@dataclass(frozen=True)
class CacheConfig:
    """Where features are kept, and how."""

    root: str = "feature-cache"
    """Folder of the cache, or a URI such as s3://bucket/folder (not with lmdb); shared by all runs and data sets."""

    store: str = "arrow"
    """Format of the store: arrow (mapped files), lmdb (one file, on a local disk), or that of a plugin."""

    dtype: Literal["float16", "float32", "bfloat16"] = "float16"
    """Number format of stored features."""

    def __post_init__(self) -> None:
        if not self.root:
            raise ValueError("cache.root is empty, expected a folder or a URI, e.g. cache.root=/data/feature-cache")
        if self.store not in STORES:
            near = difflib.get_close_matches(self.store, STORES.names(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"cache.store: expected one of {', '.join(STORES.names())}, got {self.store!r}{hint}")


@dataclass(frozen=True)
class EncodeConfig:
    """How images are encoded."""

    batch_size: int = 32
    """Images in one pass through the image encoder."""

    shard_rows: int = 256
    """Images in one task and one shard: what a crash can lose at most."""

    pixels: Pixels = "upright"
    """How files become pixels. `upright`: turned as EXIF says, transparency laid over white, 16-bit greyscale scaled;
    `published`: as the published pipeline reads them, neither turned nor laid over white, and clipped at 255. The
    presets set `published`; `spg-dist data check --decode` lists the images for which it matters."""

    views: int = 0
    """Augmented views (random-resized-crop 0.08-1, flip) of each training image beside the plain one; 0 trains on the
    plain view."""

    view_seed: int = 1
    """Seed of the augmented views."""

    threads: int = 1
    """CPU threads of one task: of the image tower, or, where that is on an accelerator, so many images are decoded at
    once. Features are bit-identical only between runs with the same number."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "shard_rows", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"encode.{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("views", "view_seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"encode.{name} is {getattr(self, name)}, expected 0 or more")
