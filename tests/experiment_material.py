"""Whole runs in this process: a small drawn data set, the embedded CLIP, a few epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console

from jobs import full_pipeline
from spg_dist.config import Config, parse_config
from spg_dist.evaluation.results import ResultRow, read_results
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.pipeline.events import fail_at_once
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.prepare import encode, load_frozen_clip, load_images
from spg_dist.pipeline.training import train_runs
from spg_dist.progress import Display
from spg_dist.run import Run, run_of
from spg_dist.training.loop import TrainedRun, read_trained

TRAINED_METHODS = ("linear-probe", "coop", "cocoop", "dpl", "spg")
SETTINGS = (
    "data.dataset=folder",
    "clip.device=cpu",
    "seeds=[1]",
    "stage1.epochs=3",
    "stage1.batch_size=8",
    "coop.epochs=2",
    "coop.batch_size=8",
    "linear_probe.epochs=2",
    "linear_probe.batch_size=8",
    "cocoop.epochs=2",
    "cocoop.batch_size=8",
    "dpl.epochs=2",
    "dpl.batch_size=8",
    "dpl.hidden_width=16",
    "stage2.epochs=3",
    "stage2.batch_size=8",
    "stage2.g_widths=[16,24]",
    "stage2.d_width=16",
    "execution.backend=local",
    "execution.checkpoint_seconds=0",
)


_configurations: dict[Path, Config] = {}


class Quiet(Display):
    """A display that nobody reads."""

    def __init__(self) -> None:
        self.text = StringIO()
        super().__init__(Console(file=self.text, width=200))


class Interrupted(Exception):
    """What a display raises in the middle of a training."""


class StopsAt(Quiet):
    """Ends the job at the n-th epoch of the runs whose name starts with `prefix`, as a kill would."""

    def __init__(self, prefix: str, epochs: int) -> None:
        super().__init__()
        self.prefix, self.left = prefix, epochs

    def epoch_done(self, run: str, epoch: int, metrics: dict[str, float]) -> None:
        super().epoch_done(run, epoch, metrics)
        if run.startswith(self.prefix):
            self.left -= 1
            if self.left == 0:
                raise Interrupted(f"{run} epoch {epoch}")


class CountsEpochs(Quiet):
    """Counts the epochs that are reported."""

    epochs = 0

    def epoch_done(self, run: str, epoch: int, metrics: dict[str, float]) -> None:
        self.epochs += 1
        super().epoch_done(run, epoch, metrics)


def arguments(root: Path, home: Path, *settings: str) -> list[str]:
    """A command line whose outputs all lie below `home`."""
    return [*SETTINGS, f"data.root={root}", f"runs={home / 'runs'}", f"cache.root={home / 'cache'}", *settings]


def run(given: list[str], display: Display | None = None) -> RunFolder:
    """The whole pipeline in this process, as the command line would run it, on a display of the test's own."""
    with patch.object(full_pipeline, "Display", lambda: display or Quiet()):
        full_pipeline.main(given)
    config = parse_config(given, "test")
    return RunFolder(Path(config.runs) / config.name)


def builder(images: Path, home: Path, name: str, *settings: str) -> ExperimentBuilder:
    """An experiment with a folder of its own, behind the encode phase."""
    config = parse_config([*arguments(images, home), f"name={name}", *settings], "test")
    folder = RunFolder(Path(config.runs) / name)
    _configurations[folder.root] = config
    display = Quiet()
    manifest, clip = load_images(config, display), load_frozen_clip(config, display)
    return encode(config, manifest, clip, folder, LocalExecutor(), display)[0]


def the_run(material: Material, spec: RunSpec) -> Run[Any]:
    """A run under the configuration that `builder` was asked for."""
    return run_of(_configurations[material.folder.root], material, spec)


def train_one(material: Material, spec: RunSpec) -> TrainedRun:
    """One run by itself; its error is raised."""
    return train_together(material, [spec])[spec]


def train_together(material: Material, specs: list[RunSpec]) -> dict[RunSpec, TrainedRun]:
    """Several; the first error is raised."""
    return train_runs([the_run(material, spec) for spec in specs], fail_at_once)


Trained = tuple[str, dict[str, torch.Tensor], list[dict[str, float]]]


def train_all(material: Material, method: str, target: str) -> Iterator[Trained]:
    """All that a method trains for the target; SPG the sources' prompt labels first."""
    sources = [name for name in material.manifest.domains if name != target and method == "spg"]
    for spec in [*(RunSpec("prompt-label", name, 1) for name in sources), RunSpec(method, target, 1)]:
        trained = train_one(material, spec)
        yield spec.name, trained.weights, trained.history


@dataclass(frozen=True)
class Outcome:
    """All that a run must reproduce: trained tensors and histories, and results without their seconds."""

    tensors: dict[str, dict[str, torch.Tensor]]
    histories: dict[str, list[dict[str, float]]]
    rows: list[tuple[object, ...]]

    def differences(self, other: Outcome) -> list[str]:
        """What differs, bit by bit; empty where two runs are the same."""
        found = [f"file {name}" for name in self.tensors.keys() ^ other.tensors.keys()]
        for name in self.tensors.keys() & other.tensors.keys():
            mine, theirs = self.tensors[name], other.tensors[name]
            found += [f"{name}: {key}" for key in mine if not torch.equal(mine[key], theirs[key])]
            found += [f"{name}: history"] * (self.histories[name] != other.histories[name])
        return found + ["results"] * (self.rows != other.rows)


def outcome(folder: RunFolder) -> Outcome:
    """Read back what a run left."""
    trained = {str(p.relative_to(folder.root)): read_trained(p) for p in sorted(folder.root.rglob("*.safetensors"))}
    assert trained and not any("checkpoints" in name for name in trained)
    return Outcome(
        {name: run.weights for name, run in trained.items()},
        {name: run.history for name, run in trained.items()},
        [_without_seconds(row) for row in read_results(folder.results)],
    )


def _without_seconds(row: ResultRow) -> tuple[object, ...]:
    return (*row.key, row.accuracy, row.n, row.val_accuracy)
