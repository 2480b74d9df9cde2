"""What methods learn from and are tested on: features, rows, towers, classes, files. No method's settings are in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
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
from spg_dist.encode.table import open_table
from spg_dist.evaluation.prediction import ImageBatch
from spg_dist.experiment.duplicates import Duplicates
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.features import FeatureTable
from spg_dist.protocols import PROTOCOLS
from spg_dist.training.identity import RunIdentity


class Material:
    """All that a method may see of an experiment.

    Arguments:
        core: the configuration without the methods' settings.
        others: data sets that are only tested on.
    """

    def __init__(
        self,
        core: Config,
        manifest: Manifest,
        clip: Clip,
        views: CachedViews,
        folder: RunFolder,
        others: Sequence[Material] = (),
    ) -> None:
        self.core, self.manifest, self.clip, self.views, self.folder = core, manifest, clip, views, folder
        self.protocol = PROTOCOLS[core.protocol]
        self.others = {other.manifest.dataset: other for other in others}
        self.encoder = lru_cache(self._encoder)
        self._rows_outside = lru_cache(lambda seen: self.duplicates.rows_outside(seen))

    def in_folder(self, folder: RunFolder) -> Material:
        """The same with another run's files; features, tower and tokenized classes are shared."""
        mine = copy.copy(self)
        mine.folder = folder
        return mine

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
        return PromptEncoder(self.tower, classes, self.core.clip.text_precision)

    def sources(self, where: str) -> set[int]:
        """Indices of the domains that the training run `where` may see."""
        return {self.manifest.domain_index(name) for name in self.protocol.sources(self.manifest, where)}

    def source_rows(self, where: str, split: Split, keep_left_out: bool) -> np.ndarray:
        """Rows of the sources' train or val split; `data.duplicates=drop` leaves out what stands outside them too."""
        sources = self.sources(where)
        return self._less_copies(self.manifest.rows(sources, {split}, keep_left_out), sources)

    def label_rows(self, domain: str, split: Split) -> np.ndarray:
        """The same for the prompt label of a domain, which every run uses that has the domain among its sources: it
        learns from nothing that one of them must not see."""
        own = {self.manifest.domain_index(domain)}
        seen = set(range(len(self.manifest.domains))) if self.protocol.is_across else own
        return self._less_copies(self.manifest.rows(own, {split}), seen)

    def _less_copies(self, rows: np.ndarray, seen: set[int]) -> np.ndarray:
        if self.core.data.duplicates == "keep":
            return rows
        return rows[~np.isin(rows, self._rows_outside(frozenset(seen)))]

    def selection_rows(self, where: str, keep_left_out: bool) -> np.ndarray:
        """Rows on which an epoch of the run is judged: the sources' val split, or the targets' for the oracle."""
        if self.core.selection != "oracle":
            return self.source_rows(where, "val", keep_left_out)
        names = self.protocol.targets(self.core, self.manifest, [], where)
        return self.manifest.rows({self.manifest.domain_index(name) for name in names}, {"val"}, keep_left_out)

    def on(self, target: str) -> Material:
        """The experiment that holds a target: this one for its domains, another data set's by that one's name."""
        return self.others.get(target, self)

    def test_rows(self, target: str) -> np.ndarray:
        """All images of a target domain, or of this data set, less those the protocol leaves out."""
        domains = (
            set(range(len(self.manifest.domains))) if self.protocol.is_across else {self.manifest.domain_index(target)}
        )
        return self.manifest.rows(domains, keep_left_out=False)

    def images(self, rows_B: np.ndarray) -> ImageBatch:
        """Some rows as a method sees them that is to classify them."""
        domain_B = np.asarray([self.manifest.images[i].domain for i in rows_B], dtype=np.int64)
        return ImageBatch(self.table.features(rows_B), self.digests(rows_B), domain_B)

    def digests(self, rows_B: np.ndarray) -> tuple[str, ...]:
        """Of the content of each row's image."""
        return tuple(self.views.digests[i] for i in rows_B)

    def identity(self, spec: RunSpec, settings: dict[str, Any], rows: np.ndarray, **more: Any) -> RunIdentity:
        """All that determines a trained run: settings as plain values, seed, features, labels and splits."""
        images = [(self.views.digests[i], *self.manifest.images[i][1:]) for i in rows]
        record = {
            "kind": spec.method,
            "where": spec.where,
            "seed": spec.seed,
            "settings": settings,
            "views": [key.digest for key in self.views.keys],
            "text": self.clip.text_fingerprint,
            "text precision": self.core.clip.text_precision,  # of val, which selects the epoch
            "selection": self.core.selection,
            "classes": self.manifest.class_names,
            "images": blake3(json.dumps(images).encode()).hexdigest(),
            **more,
        }
        return RunIdentity(record, self.clip.digest)

    def prompt_texts(self, prompt_PW: Tensor) -> Tensor:
        """Text features (C, D) of all classes under one prompt."""
        text_CD: Tensor = self.encoder(len(prompt_PW))(prompt_PW[None].to(self.clip.device))[0]
        return text_CD
