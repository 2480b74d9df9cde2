"""A small drawn data set, spaces of a few fields, and trials of a few epochs."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

from optuna.trial import FrozenTrial
from rich.console import Console

from spg_dist.config import Config, parse_config
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.material import Material
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.prepare import encode, load_frozen_clip, load_images
from spg_dist.progress import Display
from tuning.folder import SweepFolder
from tuning.space_files import load_space
from tuning.spaces import Space, with_values
from tuning.study import SweepStudy
from tuning.trial import run_trial

SETTINGS = (
    "data.dataset=folder",
    "clip.device=cpu",
    "seeds=[1,2]",
    "stage1.epochs=2",
    "stage1.batch_size=8",
    "stage2.epochs=4",
    "stage2.batch_size=8",
    "stage2.g_widths=[16,24]",
    "stage2.d_width=16",
    "execution.checkpoint_seconds=0",
    "tune.concurrent=1",  # each process that trials run in takes seconds to start
)
SPACE = """
stage1.learning_rate: {choices: [2.0e-3, 2.0e-2]}
stage2.learning_rate: {low: 1.0e-4, high: 1.0e-1, log: true}
stage2.dropout: {low: 0.0, high: 0.6}
stage2.batch_size: {low: 4, high: 12}
stage2.g_widths: {choices: [[16, 24], [16, 32]]}
"""


class Quiet(Display):
    """A display that nobody watches; what it said is in `text`."""

    def __init__(self) -> None:
        self.stream = StringIO()
        super().__init__(Console(file=self.stream, width=200))

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def arguments(images: Path, home: Path, *settings: str) -> list[str]:
    """A command line whose outputs all lie below `home`."""
    places = [f"data.root={images}", f"cache.root={home / 'cache'}", f"tune.folder={home / 'sweeps'}"]
    return [*SETTINGS, *places, f"runs={home / 'runs'}", *settings]


def configured(images: Path, home: Path, *settings: str) -> Config:
    return parse_config(arguments(images, home, *settings), "test")


def builder(config: Config) -> ExperimentBuilder:
    """Behind the encode phase."""
    display = Quiet()
    manifests, clip = load_images(config, display), load_frozen_clip(config, display)
    return encode(config, manifests, clip, RunFolder(Path(config.runs) / config.name), LocalExecutor(), display)[0]


def material(config: Config) -> Material:
    return builder(config).build()


def space_file(folder: Path, text: str = SPACE) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def a_space(folder: Path, config: Config, text: str = SPACE) -> Space:
    return load_space(str(space_file(folder, text)), config)


def study_of(path: Path, space: Space, config: Config) -> SweepStudy:
    return SweepStudy(path, "sweep", space, config.tune, space.point_of(config))


def sweep(study: SweepStudy, config: Config, material: Material, folder: SweepFolder) -> None:
    """A few trials, one after the other, in this process."""
    for _ in range(study.total):
        asked = study.ask()
        tried = with_values(config, asked.values)
        outcome = run_trial(
            material,
            tried,
            folder.trial(asked.number, tried),
            lambda epochs, value, number=asked.number: study.report(number, epochs, value),  # type: ignore[misc]
        )
        study.complete(asked.number, replace(outcome, cost_seconds=0.0))


def told(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    """What a study knows of its trials, less their times."""
    return [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.values,
            trial.intermediate_values,
            trial.user_attrs.get("by_target"),
        )
        for trial in trials
    ]
