"""What crosses process borders in place of an experiment: plain values, while features and weights stay on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from blake3 import blake3

from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews
from spg_dist.encode.shard import loaded_clip
from spg_dist.experiment.folder import RunFolder
from spg_dist.material import Material
from spg_dist.plan import Plan, plan


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
    def plan(self) -> Plan:
        return plan(self.config, self.manifest, self.test_manifests)

    @cached_property
    def content(self) -> str:
        """Digest of all images with their classes, domains and splits, wherever they lie."""
        manifest = self.manifest
        rows = sorted(
            (digest, manifest.class_names[image.label], manifest.domains[image.domain], image.split)
            for digest, image in zip(self.views.digests, manifest.images, strict=True)
        )
        return blake3(json.dumps(rows).encode()).hexdigest(length=16)

    def build(self, device: str | None = None) -> Material:
        """Load CLIP and open the features, on `device` or the configured one."""
        clip, core = loaded_clip(self.config.clip, device), self.config.core()
        others = [Material(core, manifest, clip, views, self.folder) for manifest, views in self.tests]
        return Material(core, self.manifest, clip, self.views, self.folder, others)
