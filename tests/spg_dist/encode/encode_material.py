"""What the tests of encoding are made of: a random tiny CLIP, and what a job gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import open_clip
import torch
from PIL import Image

from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip
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


def plain_loop(clip: Clip, paths: list[Path]) -> torch.Tensor:
    """open_clip as its README tells it, image by image, with the same weights."""
    model, _, preprocess = open_clip.create_model_and_transforms("tiny-rn")
    model.load_state_dict(clip.model.state_dict())
    model.eval()
    with torch.no_grad():
        features = [model.encode_image(preprocess(Image.open(path)).unsqueeze(0)) for path in paths]
    return torch.nn.functional.normalize(torch.cat(features).float(), dim=-1)
