"""Open cached features as a table."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from cache import CacheError, DamagedShardError, FeatureCache, FeatureKey, Reader
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews
from spg_dist.features import FeatureTable, StoredView


def open_table(manifest: Manifest, views: CachedViews, device: torch.device | str) -> FeatureTable:
    """The features of a manifest's images, memory-mapped where the store allows it, copied once to an accelerator."""
    every = np.arange(len(manifest.images))
    train = np.asarray(manifest.select(splits={"train"}), dtype=np.int64)
    plain, *augmented = (
        _stored_view(views, key, every if number == 0 else train, len(every), torch.device(device))
        for number, key in enumerate(views.keys)
    )
    return FeatureTable(manifest, plain, augmented, device)


def _stored_view(
    views: CachedViews, key: FeatureKey, images: np.ndarray, total: int, device: torch.device
) -> StoredView:
    reader = FeatureCache.open(views.root, key, store=views.store).reader()
    rows = reader.rows([views.digests[i] for i in images])
    row_N = torch.full((total,), -1, dtype=torch.int64)
    mapped = _mapped(reader) if device.type == "cpu" else None
    if mapped is not None:
        row_N[torch.from_numpy(images)] = torch.from_numpy(rows)
        return StoredView(_as_tensor(mapped, key.dtype), row_N)
    row_N[torch.from_numpy(images)] = torch.arange(len(images))
    return StoredView(_as_tensor(reader.take(rows), key.dtype).to(device), row_N)


def _mapped(reader: Reader) -> np.ndarray | None:
    """All rows of the store without a copy; None for LMDB and for several shards, as a cache being filled has."""
    try:
        return reader.matrix()
    except DamagedShardError:
        raise
    except CacheError:
        return None


def _as_tensor(values: np.ndarray, dtype: str) -> Tensor:
    """A tensor on the same memory. numpy has no bfloat16: the cache gives its bits."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # and is never written
        stored = torch.from_numpy(values)
    return stored.view(torch.bfloat16) if dtype == "bfloat16" else stored
