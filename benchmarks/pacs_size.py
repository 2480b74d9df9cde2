"""An experiment of PACS's full size with random features in a real cache: the cost does not depend on their values."""

from __future__ import annotations

from pathlib import Path

import torch
from blake3 import blake3

from cache import FeatureCache
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip
from spg_dist.config import Config, config_class
from spg_dist.data import ImageRecord, Manifest
from spg_dist.data.config import DataConfig
from spg_dist.encode.config import CacheConfig, EncodeConfig
from spg_dist.encode.job import CachedViews, feature_key
from spg_dist.encode.shard import loaded_clip
from spg_dist.encode.transform import PLAIN
from spg_dist.experiment.folder import RunFolder
from spg_dist.material import Material
from tuning.spaces import with_values

CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
TRAIN = {"art_painting": 1433, "cartoon": 1641, "photo": 1167, "sketch": 2750}
"""Training images of the published split."""
VAL = {"art_painting": 615, "cartoon": 703, "photo": 503, "sketch": 1179}
LEFT_OUT = "sketch/train/0"  # in the place of the one that the published code leaves out of stage 2 and the test


def pacs_size_experiment(folder: Path, config: Config, val_per_domain: int | None = None) -> Material:
    """The experiment, its files and features below `folder`.

    Arguments:
        val_per_domain: validation images of each domain; None = as many as PACS has.
    """
    clip = loaded_clip(config.clip)
    manifest = _manifest(val_per_domain)
    views = _fill_cache(Path(config.cache.root), clip, manifest)
    return Material(config.core(), manifest, clip, views, RunFolder(folder))


def pacs_size_config(folder: Path, epochs: int, threads: int, device: str) -> Config:
    """The published settings with so few epochs; ViT-B/32 with random weights, one seed, the plain view."""
    config = config_class()(
        name="pacs-size",
        seeds=[1],
        methods=["spg"],
        data=DataConfig(dataset="pacs", root=str(folder)),
        clip=ClipConfig("ViT-B-32", "random", device=device),
        cache=CacheConfig(root=str(folder / "cache")),
        encode=EncodeConfig(threads=threads),
    )
    return with_values(config, {"stage1.epochs": epochs, "stage2.epochs": epochs, "execution.cpus_per_worker": threads})


def _manifest(val_per_domain: int | None) -> Manifest:
    images = []
    for number, domain in enumerate(TRAIN):
        kept = VAL[domain] if val_per_domain is None else val_per_domain
        images += [ImageRecord(f"{domain}/train/{i}", i % len(CLASSES), number, "train") for i in range(TRAIN[domain])]
        images += [ImageRecord(f"{domain}/val/{i}", i % len(CLASSES), number, "val") for i in range(kept)]
    return Manifest("PACS", Path("/random"), CLASSES, tuple(TRAIN), tuple(images), frozenset({LEFT_OUT}))


def _fill_cache(root: Path, clip: Clip, manifest: Manifest) -> CachedViews:
    """Random rows for the images that have none yet, compacted as the encode job leaves them."""
    key = feature_key(clip, PLAIN, "float16")
    digests = tuple(blake3(image.path.encode()).hexdigest() for image in manifest.images)
    cache = FeatureCache.open(root, key)
    missing = cache.missing(digests)
    if missing:
        random = torch.Generator().manual_seed(0)
        cache.write_shard(missing, torch.randn(len(missing), clip.feature_width, generator=random).numpy())
        cache.compact()
    return CachedViews(str(root), "arrow", digests, (key,))
