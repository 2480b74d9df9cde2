"""What the tests of encoding are made of: a random tiny CLIP, and what a job gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spg_dist.clip.config import ClipConfig
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews, EncodeSummary
from spg_dist.encode.shard import ShardTask
from spg_dist.encode.table import open_table
from spg_dist.features import FeatureTable

RANDOM_CLIP = ClipConfig(model="tiny-rn", pretrained="random", device="cpu")


@dataclass
class Encoded:
    """What a job returned, and the tasks that it gave out."""

    manifest: Manifest
    views: CachedViews
    summary: EncodeSummary
    tasks: list[ShardTask] = field(default_factory=list)

    def table(self) -> FeatureTable:
        return open_table(self.manifest, self.views, "cpu")


Encode = Callable[..., Encoded]
