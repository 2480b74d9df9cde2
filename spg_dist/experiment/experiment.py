"""An experiment that is ready to train and test: configuration, features, CLIP's text side, files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from blake3 import blake3
from torch import Tensor

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.load import Clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import TextTower, text_tower
from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews
from spg_dist.encode.shard import loaded_clip
from spg_dist.encode.table import open_table
from spg_dist.experiment.folder import RunFolder
from spg_dist.features import FeatureTable


@dataclass(frozen=True)
class ExperimentBuilder:
    """All that a worker needs to build the experiment: plain values, while features and weights stay on disk."""

    config: Config
    manifest: Manifest
    views: CachedViews
    folder: RunFolder

    def build(self, device: str | None = None) -> Experiment:
        """Load CLIP and open the features, on `device` or the configured one."""
        clip = loaded_clip(self.config.clip, device)
        return Experiment(self.config, self.manifest, clip, self.views, self.folder)


class Experiment:
    """What methods train and test on."""

    def __init__(self, config: Config, manifest: Manifest, clip: Clip, views: CachedViews, folder: RunFolder) -> None:
        self.config, self.manifest, self.clip, self.views, self.folder = config, manifest, clip, views, folder
        self.encoder = lru_cache(self._encoder)

    @cached_property
    def table(self) -> FeatureTable:
        return open_table(self.manifest, self.views, self.clip.device)

    @cached_property
    def tower(self) -> TextTower:
        return text_tower(self.clip.model)

    def _encoder(self, n_ctx: int) -> PromptEncoder:
        names = self.manifest.class_names
        return PromptEncoder(self.tower, tokenize_classes(self.clip.tokenizer, names, n_ctx, self.tower.context_length))

    def sources(self, target: str) -> set[int]:
        """Indices of the domains that training may see when `target` is left out."""
        return set(range(len(self.manifest.domains))) - {self.manifest.domain_index(target)}

    def test_rows(self, target: str) -> np.ndarray:
        """All images of the target domain, less those the protocol leaves out."""
        return self.table.rows({self.manifest.domain_index(target)}, keep_left_out=False)

    def identity(self, kind: str, where: str, seed: int, settings: Any, rows: np.ndarray, **more: Any) -> str:
        """Digest of all that determines a trained run: settings, seed, features, labels and splits."""
        images = [(self.views.digests[i], *self.manifest.images[i][1:]) for i in rows]
        record = {
            "kind": kind,
            "where": where,
            "seed": seed,
            "settings": asdict(settings),
            "views": [key.digest for key in self.views.keys],
            "text": self.clip.text_fingerprint,
            "threads": self.config.execution.cpus_per_worker,  # the order of sums depends on it
            "classes": self.manifest.class_names,
            "images": blake3(json.dumps(images).encode()).hexdigest(),
            **more,
        }
        return blake3(json.dumps(record, sort_keys=True).encode()).hexdigest(length=16)

    def prompt_texts(self, prompt_PW: Tensor) -> Tensor:
        """Text features (C, D) of all classes under one prompt."""
        text_CD: Tensor = self.encoder(len(prompt_PW))(prompt_PW[None].to(self.table.device))[0]
        return text_CD
