"""One task of the encode job: fill one shard of the cache. Idempotent, so it may be repeated, killed or run twice."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from cache import FeatureCache, FeatureKey
from cache.extensions import carried
from spg_dist.clip.config import ActivationName, ClipConfig
from spg_dist.clip.load import Clip, load_clip, pick_device
from spg_dist.encode.config import EncodeConfig
from spg_dist.encode.encoder import ImageEncoder
from spg_dist.encode.transform import ImageTransform


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to encode some images: plain values, which cross process borders.

    Arguments:
        digests, paths: content digest and absolute path of each image.
        provenance: what the cache notes about where its rows came from.
    """

    clip: ClipConfig
    encode: EncodeConfig
    cache_root: str
    store: str
    key: FeatureKey
    digests: tuple[str, ...]
    paths: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return carried(ShardTask, *(getattr(self, field.name) for field in fields(self)))  # the store may be a plugin's


@dataclass(frozen=True)
class ShardReport:
    """What became of a task. Seconds of waiting for decoded images, in the tower, and writing.

    Arguments:
        rejected: digest of each image that cannot be used to the reason.
    """

    encoded: int
    reused: int
    rejected: dict[str, str]
    read_seconds: float
    encode_seconds: float
    write_seconds: float


def loaded_clip(config: ClipConfig, device: str | None = None) -> Clip:
    """The configured CLIP on a device (default: the configured one). A process loads it once, whatever it encodes."""
    return _loaded_clip(config.model, config.pretrained, config.activation, str(pick_device(device or config.device)))


@lru_cache(maxsize=1)
def _loaded_clip(model: str, pretrained: str, activation: ActivationName, device: str) -> Clip:
    return load_clip(ClipConfig(model, pretrained, activation, device))


def encode_shard(task: ShardTask) -> ShardReport:
    """Encode what is missing of a task's images, less what another job is encoding right now, and write it."""
    torch.set_num_threads(task.encode.threads)
    cache = FeatureCache.open(task.cache_root, task.key, store=task.store, provenance=dict(task.provenance))
    path_of = dict(zip(task.digests, task.paths, strict=True))
    encoded = 0
    rejected: dict[str, str] = {}
    read_seconds = encode_seconds = write_seconds = 0.0
    for mine in cache.claims(task.digests):
        clip = loaded_clip(task.clip)
        encoder = ImageEncoder(
            clip, ImageTransform(clip.preprocess, task.key.view, task.encode.pixels), task.encode.batch_size
        )
        done = encoder([Path(path_of[digest]) for digest in mine], mine)
        began = time.perf_counter()
        if done.kept:
            cache.write_shard([mine[i] for i in done.kept], done.features_ND)
        encoded += len(done.kept)
        rejected |= {mine[i]: reason for i, reason in done.rejected.items()}
        read_seconds += done.read_seconds
        encode_seconds += done.encode_seconds
        write_seconds += time.perf_counter() - began
    reused = len(task.digests) - encoded - len(rejected)
    return ShardReport(encoded, reused, rejected, read_seconds, encode_seconds, write_seconds)
