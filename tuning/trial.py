"""One trial: train both stages with its hyperparameters, and judge them by the sources' val split."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cache.locks import acquire
from spg_dist.config import Config
from spg_dist.experiment.runs import RunSpec
from spg_dist.material import Material
from spg_dist.pipeline.events import EpochDone, Event, fail_at_once
from spg_dist.pipeline.training import train_runs
from spg_dist.plan import plan
from spg_dist.run import runs_of
from spg_dist.training.loop import TrainedRun
from tuning.folder import TrialFolder

Progress = Callable[[int, float], None]
"""Told the number of epochs that all generators of a trial have done, and their mean val accuracy so far (percent)."""


@dataclass(frozen=True)
class TrialOutcome:
    """How good a configuration is, and what it costs.

    Arguments:
        val_accuracy: percent, mean over seeds and targets, on the val splits of each target's source domains.
        seed_std: standard deviation over seeds of the mean over targets; None with one seed.
        by_target: the mean over seeds for each training run: the target it leaves out (multi-source), its source
            (single-source), or the data set (cross-dataset).
        cost_seconds: time that training its prompt labels and generators takes, whether or not they were there already.
    """

    val_accuracy: float
    seed_std: float | None
    by_target: dict[str, float]
    cost_seconds: float


def trial_config(config: Config) -> Config:
    """What a trial trains: the tuned method alone, on the sweep's seeds."""
    return replace(config, methods=[config.tune.method], seeds=config.tune.seeds or config.seeds)


def run_trial(material: Material, config: Config, folder: TrialFolder, progress: Progress) -> TrialOutcome:
    """Train a configuration, or go on with it, or find it finished.

    Arguments:
        material: of the sweep; the trial's files go to its own folder.

    Raises:
        ValueError: a run diverged or its settings do not fit.
    """
    mine = material.in_folder(folder)
    runs = runs_of(config, mine, plan(config, mine.manifest).trainings)
    own, needed = ([run for run in runs if (run.spec.method == config.tune.method) is tuned] for tuned in (True, False))
    folder.labels.mkdir(parents=True, exist_ok=True)
    lock = acquire(folder.labels / ".lock", wait=True)  # of trials with the same stage 1, one trains, the others wait
    try:
        trained = train_runs(needed, fail_at_once)
    finally:
        lock.release()
    specs = [run.spec for run in own]
    trained |= train_runs(own, EpochMeans(specs, config.selection == "last", progress))
    return _outcome(trained, specs)


class EpochMeans:
    """Turns the epochs of single runs into those of the trial: an epoch counts when every run has done it.

    Arguments:
        last: the last epoch of a run is kept, not its best.
    """

    def __init__(self, specs: Sequence[RunSpec], last: bool, progress: Progress) -> None:
        self.last, self.progress = last, progress
        self.values: dict[RunSpec, list[float]] = {spec: [] for spec in specs}
        self.told = 0

    def __call__(self, event: Event) -> None:
        fail_at_once(event)  # a mean over the runs that are left would compare trials by different targets
        if not isinstance(event, EpochDone):
            return
        values = self.values[event.spec]
        before = values[-1] if values else 0.0
        found = event.metrics.get("val_accuracy", before)
        del values[event.epoch :]
        values.append(found if self.last else max(found, before))
        if all(len(values) > self.told for values in self.values.values()):
            self.told += 1
            self.progress(self.told, statistics.fmean(values[self.told - 1] for values in self.values.values()))


def _outcome(trained: dict[RunSpec, TrainedRun], tuned: list[RunSpec]) -> TrialOutcome:
    by_seed: dict[int | None, list[float]] = {}
    by_target: dict[str, list[float]] = {}
    for spec in tuned:
        by_seed.setdefault(spec.seed, []).append(trained[spec].val_accuracy)
        by_target.setdefault(spec.where, []).append(trained[spec].val_accuracy)
    of_seeds = [statistics.fmean(values) for values in by_seed.values()]
    return TrialOutcome(
        val_accuracy=statistics.fmean(of_seeds),
        seed_std=statistics.stdev(of_seeds) if len(of_seeds) > 1 else None,
        by_target={target: statistics.fmean(values) for target, values in by_target.items()},
        cost_seconds=sum(run.seconds for run in trained.values()),
    )
