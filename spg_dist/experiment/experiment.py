"""An experiment that is ready to train and test: configuration, features, CLIP's text side, files."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from spg_dist.data.manifest import Split
from spg_dist.encode.job import CachedViews
from spg_dist.encode.shard import loaded_clip
from spg_dist.encode.table import open_table
from spg_dist.evaluation.prediction import ImageBatch
from spg_dist.experiment.duplicates import Duplicates
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.protocols import PROTOCOLS
from spg_dist.features import FeatureTable
from spg_dist.training import RunIdentity


@dataclass(frozen=True)
class ExperimentBuilder:
    """All that a worker needs to build the experiment: plain values, while features and weights stay on disk."""

    config: Config
    manifest: Manifest
    views: CachedViews
    folder: RunFolder
    tests: tuple[tuple[Manifest, CachedViews], ...] = ()

    @property
    def test_manifests(self) -> list[Manifest]:
        """Data sets that are only tested on (cross-dataset protocol)."""
        return [manifest for manifest, _ in self.tests]

    @cached_property
    def content(self) -> str:
        """Digest of all images with their classes, domains and splits, wherever they lie."""
        manifest = self.manifest
        rows = sorted(
            (digest, manifest.class_names[image.label], manifest.domains[image.domain], image.split)
            for digest, image in zip(self.views.digests, manifest.images, strict=True)
        )
        return blake3(json.dumps(rows).encode()).hexdigest(length=16)

    def build(self, device: str | None = None) -> Experiment:
        """Load CLIP and open the features, on `device` or the configured one."""
        clip = loaded_clip(self.config.clip, device)
        others = [Experiment(self.config, manifest, clip, views, self.folder) for manifest, views in self.tests]
        return Experiment(self.config, self.manifest, clip, self.views, self.folder, others)


class Experiment:
    """What methods train and test on."""

    def __init__(
        self,
        config: Config,
        manifest: Manifest,
        clip: Clip,
        views: CachedViews,
        folder: RunFolder,
        others: Sequence[Experiment] = (),
    ) -> None:
        self.config, self.manifest, self.clip, self.views, self.folder = config, manifest, clip, views, folder
        self.protocol = PROTOCOLS[config.protocol]
        self.others = {other.manifest.dataset: other for other in others}
        self.encoder = lru_cache(self._encoder)
        self._rows_outside = lru_cache(lambda seen: self.duplicates.rows_outside(seen))

    @cached_property
    def table(self) -> FeatureTable:
        return open_table(self.manifest, self.views, self.clip.device)

    @cached_property
    def duplicates(self) -> Duplicates:
        places = (self, *self.others.values())
        return Duplicates([place.manifest for place in places], [place.views.digests for place in places])

    @cached_property
    def tower(self) -> TextTower:
        return text_tower(self.clip.model)

    def _encoder(self, n_ctx: int) -> PromptEncoder:
        names = self.manifest.class_names
        classes = tokenize_classes(self.clip.tokenizer, names, n_ctx, self.tower.context_length)
        return PromptEncoder(self.tower, classes, self.config.clip.text_precision)

    def sources(self, where: str) -> set[int]:
        """Indices of the domains that the training run `where` may see."""
        return {self.manifest.domain_index(name) for name in self.protocol.sources(self.manifest, where)}

    def source_rows(self, where: str, split: Split, keep_left_out: bool) -> np.ndarray:
        """Rows of the sources' train or val split; `data.duplicates=drop` leaves out what stands outside them too."""
        sources = self.sources(where)
        return self._less_copies(self.table.rows(sources, {split}, keep_left_out), sources)

    def label_rows(self, domain: str, split: Split) -> np.ndarray:
        """The same for the prompt label of a domain, which every run uses that has the domain among its sources: it
        learns from nothing that one of them must not see."""
        own = {self.manifest.domain_index(domain)}
        seen = set(range(len(self.manifest.domains))) if self.config.protocol == "cross-dataset" else own
        return self._less_copies(self.table.rows(own, {split}), seen)

    def _less_copies(self, rows: np.ndarray, seen: set[int]) -> np.ndarray:
        if self.config.data.duplicates == "keep":
            return rows
        return rows[~np.isin(rows, self._rows_outside(frozenset(seen)))]

    def selection_rows(self, where: str, keep_left_out: bool) -> np.ndarray:
        """Rows on which an epoch of the run is judged: the sources' val split, or the targets' for the oracle."""
        if self.config.selection != "oracle":
            return self.source_rows(where, "val", keep_left_out)
        names = self.protocol.targets(self.config, self.manifest, [], where)
        return self.table.rows({self.manifest.domain_index(name) for name in names}, {"val"}, keep_left_out)

    def on(self, target: str) -> Experiment:
        """The experiment that holds a target: this one for its domains, another data set's by that one's name."""
        return self.others.get(target, self)

    def test_rows(self, target: str) -> np.ndarray:
        """All images of a target domain, or of this data set, less those the protocol leaves out."""
        whole = self.config.protocol == "cross-dataset"
        domains = set(range(len(self.manifest.domains))) if whole else {self.manifest.domain_index(target)}
        return self.table.rows(domains, keep_left_out=False)

    def images(self, rows_B: np.ndarray) -> ImageBatch:
        """Some rows as a method sees them that is to classify them."""
        domain_B = np.asarray([self.manifest.images[i].domain for i in rows_B], dtype=np.int64)
        return ImageBatch(self.table.features(rows_B), self.digests(rows_B), domain_B)

    def digests(self, rows_B: np.ndarray) -> tuple[str, ...]:
        """Of the content of each row's image."""
        return tuple(self.views.digests[i] for i in rows_B)

    def identity(self, kind: str, where: str, seed: int, settings: Any, rows: np.ndarray, **more: Any) -> RunIdentity:
        """All that determines a trained run: settings (or what stands for them), seed, features, labels and splits."""
        images = [(self.views.digests[i], *self.manifest.images[i][1:]) for i in rows]
        record = {
            "kind": kind,
            "where": where,
            "seed": seed,
            "settings": settings if isinstance(settings, dict) else asdict(settings),
            "views": [key.digest for key in self.views.keys],
            "text": self.clip.text_fingerprint,
            "text precision": self.config.clip.text_precision,  # of val, which selects the epoch
            "selection": self.config.selection,
            "classes": self.manifest.class_names,
            "images": blake3(json.dumps(images).encode()).hexdigest(),
            **more,
        }
        return RunIdentity(record, self.clip.digest)

    def prompt_texts(self, prompt_PW: Tensor) -> Tensor:
        """Text features (C, D) of all classes under one prompt."""
        text_CD: Tensor = self.encoder(len(prompt_PW))(prompt_PW[None].to(self.clip.device))[0]
        return text_CD
