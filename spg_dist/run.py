"""One run of a method: what it learns from, what it is known by, and what it has learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from spg_dist.config import Config
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.methods import Method, S, method_of, settings_of
from spg_dist.plan import needed_by
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import read_trained


@dataclass(frozen=True)
class Run(Generic[S]):
    """A method's share of the material.

    Arguments:
        settings: of the method; None where it has none.
        needs: runs that it learns from, of other methods, one for each source domain.
    """

    method: Method[S]
    spec: RunSpec
    settings: S
    material: Material
    needs: tuple[Run[Any], ...] = ()

    @property
    def seed(self) -> int:
        """0 for a method without randomness."""
        return self.spec.seed or 0

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Rows (int64) of the feature table."""
        if self.method.by_domain:
            return self.material.label_rows(self.spec.where, "train")
        return self.material.source_rows(self.spec.where, "train", self.method.learns_from_left_out)

    @cached_property
    def val_rows(self) -> np.ndarray:
        """Rows that an epoch may be judged on."""
        if self.method.by_domain:
            return self.material.label_rows(self.spec.where, "val")
        return self.material.selection_rows(self.spec.where, self.method.learns_from_left_out)

    @cached_property
    def judged_rows(self) -> np.ndarray:
        """Those of the val rows that each epoch is judged on (`val_images`)."""
        chosen = getattr(self.settings, "chosen", None)
        return chosen(self.val_rows, self.seed) if chosen else self.val_rows

    @cached_property
    def identity(self) -> RunIdentity:
        rows = np.concatenate([self.train_rows, self.val_rows])
        more = self.method.identity(self)
        if self.needs:
            more["labels"] = [needed.known_as for needed in self.needs]
        return self.material.identity(self.spec, self.method.record(self.settings), rows, **more)

    @cached_property
    def known_as(self) -> str:
        """The digest in its file, which an earlier version may have made in another way; else the one it will have.

        Raises ValueError where the file is damaged."""
        path = self.material.folder.artifact(self.spec)
        stored = read_trained(path).identity if path.exists() else None
        return stored if stored is not None and self.identity.is_known_as(stored) else self.identity.digest

    @property
    def is_finished(self) -> bool:
        """Whether its file is there, and of these settings, data and features."""
        path = self.material.folder.artifact(self.spec)
        return path.exists() and self.identity.is_known_as(read_trained(path).identity)

    def labelled(self, rows_B: np.ndarray) -> tuple[Tensor, Tensor]:
        """Unit-norm features (B, D) of the plain view, and labels (B,), on the device."""
        table = self.material.table
        return table.features(rows_B), table.label_N[torch.from_numpy(rows_B).to(table.device)]

    def weights(self) -> dict[str, Tensor]:
        """What was learned. Raises ValueError where the file is damaged."""
        return read_trained(self.material.folder.artifact(self.spec)).weights


def run_of(config: Config, material: Material, spec: RunSpec) -> Run[Any]:
    """A run under a configuration, on any material that fits it."""
    return runs_of(config, material, [spec])[0]


def runs_of(config: Config, material: Material, specs: Sequence[RunSpec]) -> list[Run[Any]]:
    """The same for several runs; what several of them need is one run, whose identity is computed once."""

    @cache
    def made(spec: RunSpec) -> Run[Any]:
        method = method_of(spec.method)
        needs = tuple(map(made, needed_by(config, material.manifest, spec)))
        return Run(method, spec, settings_of(config, method), material, needs)

    return list(map(made, specs))
