"""The study: what was tried and how it went, in a file that Optuna's own tools open. Knows no Ray.

Everything that a sweep remembers is here. A trial that was running when the sweep was killed is handed out again, with
its number and its hyperparameters; trial 0 is the given configuration.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from spg_dist.config.tune import AshaConfig, TuneConfig
from spg_dist.training.seeds import derive
from tuning.spaces import Dimension, Label, Range, Space
from tuning.storage import open_storage
from tuning.trial import TrialOutcome


@dataclass(frozen=True)
class Asked:
    """A trial to run: its number, and the value of every field that is searched."""

    number: int
    values: dict[str, Any]


class SweepStudy:
    """Asks Optuna for trials and tells it how they went.

    Arguments:
        path: SQLite file of the study, made if it is not there.
        defaults: where the given configuration lies in the space: trial 0.
    """

    def __init__(self, path: Path, name: str, space: Space, tune: TuneConfig, defaults: dict[str, Label]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.tune = space, tune
        directions = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)[: 2 if tune.algorithm == "nsga2" else 1]
        self.study = optuna.create_study(
            storage=open_storage(path),
            study_name=name,
            directions=directions,
            pruner=_pruner(tune.asha),
            load_if_exists=True,
        )
        planned = planned_points(space, tune, defaults)
        self.total = len(planned) if tune.algorithm == "grid" else tune.trials
        for point in planned[len(self.trials()) :]:
            self.study.enqueue_trial(point)
        self._left = deque(self.trials(TrialState.RUNNING))
        self._running: dict[int, optuna.Trial] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """All trials, or those in some states, by number."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    @property
    def finished(self) -> int:
        """Trials that have ended, well or not."""
        return sum(trial.state.is_finished() for trial in self.trials())

    def ask(self) -> Asked:
        """The next trial: one that was left running, one that is planned, or one that the algorithm suggests."""
        if self._left:
            trial = optuna.Trial(self.study, self._left.popleft()._trial_id)
        else:
            # a trial's randomness depends on its number, not on what was drawn before: a sweep that was killed goes on
            # as it would have, and repeats no draw
            number = sum(trial.state != TrialState.WAITING for trial in self.trials())
            self.study.sampler = _sampler(self.tune, derive(self.tune.sampler_seed, "sampler", number) % 2**32)
            trial = self.study.ask()
        point = {dimension.name: _suggest(trial, dimension) for dimension in self.space.dimensions}
        self._running[trial.number] = trial
        return Asked(trial.number, self.space.values(point))

    def report(self, number: int, epochs: int, val_accuracy: float) -> bool:
        """Note how a running trial stands; True if it should stop. Trial 0, the measure of all, never should."""
        trial = self._running[number]
        if epochs in trial.storage.get_trial(trial._trial_id).intermediate_values:
            return False  # a resumed trial reports its former epochs again: they were judged before
        if len(self.study.directions) > 1:
            return False
        trial.report(val_accuracy, epochs)
        return number > 0 and trial.should_prune()

    def complete(self, number: int, outcome: TrialOutcome) -> None:
        trial = self._running.pop(number)
        for name, value in (
            ("by_target", outcome.by_target),
            ("seed_std", outcome.seed_std),
            ("cost_seconds", outcome.cost_seconds),
        ):
            trial.set_user_attr(name, value)
        self.study.tell(number, [outcome.val_accuracy, outcome.cost_seconds][: len(self.study.directions)])

    def stop(self, number: int) -> None:
        """End a trial early."""
        self._running.pop(number)
        self.study.tell(number, state=TrialState.PRUNED)

    def leave(self, number: int) -> None:
        """Let a trial stay as it is, under way: whoever opens the study next is handed it first."""
        self._running.pop(number)

    def fail(self, number: int, reason: str, traceback: str) -> None:
        """End a trial that went wrong."""
        trial = self._running.pop(number)
        trial.set_user_attr("reason", reason)
        trial.set_user_attr("traceback", traceback)
        self.study.tell(number, state=TrialState.FAIL)

    def best(self) -> FrozenTrial | None:
        """The completed trial with the highest val accuracy, the first of equals."""
        completed = self.trials(TrialState.COMPLETE)
        return max(completed, key=lambda trial: (trial.values[0], -trial.number), default=None)


def _pruner(asha: AshaConfig) -> optuna.pruners.BasePruner:
    """Optuna's asynchronous halving, not Ray's: its rungs are in the study, so a sweep that was killed keeps them."""
    if not asha.enabled:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=asha.first_epochs, reduction_factor=asha.reduction)


def rungs(asha: AshaConfig, epochs: int) -> set[int]:
    """Numbers of epochs at which a trial of so many is judged."""
    count = int(math.log(max(epochs, 1), asha.reduction)) + 2
    steps = {asha.first_epochs * asha.reduction**k for k in range(count)}
    return {step for step in steps if step < epochs} if asha.enabled else set()


def _sampler(tune: TuneConfig, seed: int) -> BaseSampler:
    if tune.algorithm == "tpe":
        return TPESampler(seed=seed)
    if tune.algorithm == "nsga2":  # Optuna's 50 a generation would make a sweep of 50 trials a random one
        return NSGAIISampler(seed=seed, population_size=min(50, max(4, tune.trials // 5)))
    return RandomSampler(seed=seed)


def _suggest(trial: optuna.Trial, dimension: Dimension) -> Label:
    domain = dimension.domain
    if not isinstance(domain, Range):
        return str(trial.suggest_categorical(dimension.name, domain.labels))
    if domain.whole:
        return trial.suggest_int(dimension.name, int(domain.low), int(domain.high), log=domain.log)
    return trial.suggest_float(dimension.name, domain.low, domain.high, log=domain.log)


def planned_points(space: Space, tune: TuneConfig, defaults: dict[str, Label]) -> list[dict[str, Label]]:
    """What is tried without asking the algorithm: the defaults, and the grid behind them.

    Raises:
        ValueError: a grid over real numbers.
    """
    grid = _grid(space, defaults) if tune.algorithm == "grid" else iter(())
    return [defaults, *itertools.islice(grid, max(tune.trials - 1, 0))]


def _grid(space: Space, defaults: dict[str, Label]) -> Iterator[dict[str, Label]]:
    """All points but the defaults."""
    axes: list[list[Label]] = []
    for dimension in space.dimensions:
        domain = dimension.domain
        if not isinstance(domain, Range):
            axes.append(list(domain.labels))
        elif domain.whole:
            axes.append(list(range(int(domain.low), int(domain.high) + 1)))
        else:
            raise ValueError(
                f"space {space.source}, {dimension.name}: tune.algorithm is grid, which needs {{choices: [...]}} here, "
                f"not a range of real numbers"
            )
    names = [dimension.name for dimension in space.dimensions]
    for values in itertools.product(*axes):
        point = dict(zip(names, values, strict=True))
        if point != defaults:
            yield point
