"""The one training loop: epochs, model selection, checkpoint and resume, for every method that trains.

It trains many runs in lockstep: each round every unfinished run advances by one epoch, its own next one. Runs come in
groups; what a group does for an epoch may be one program for all of its runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor

from cache.durable import remove_leftovers
from spg_dist.training.files import read_tensors, write_tensors
from spg_dist.training.identity import RunIdentity
from spg_dist.training.provenance import OF_VERSION_0_1_0, Provenance

Metrics = dict[str, float]
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into checkpoints: runs in lockstep all have theirs at once


class RunGroup(Protocol):
    """What a method gives to the loop: runs, by their number, that are trained together.

    A run's epoch e must depend on its `state` and e alone, not on the runs beside it, so that a resumed run repeats
    nothing and skips nothing, in whatever group it goes on. A run that a `train_epoch` leaves out never comes back.
    """

    def train_epoch(self, epochs: Mapping[int, int]) -> dict[int, Metrics]:
        """One pass over the training features for each run that has an epoch here; returns its mean losses."""

    def val_accuracy(self, run: int) -> float:
        """Accuracy (percent) on the validation features of the training domains."""

    def weights(self, run: int) -> dict[str, Tensor]:
        """What is learned: kept when its val accuracy is the best so far."""

    def state(self, run: int) -> dict[str, Tensor]:
        """All that the next epoch needs: weights and the optimizers' moments."""

    def load_state(self, run: int, state: dict[str, Tensor]) -> None:
        """Go on from a former `state`."""


@dataclass
class TrainedRun:
    """A finished run: the best weights, and how they came about.

    Arguments:
        identity: digest of all that determines the result, as it was when the run was begun.
        best_epoch: epoch (from 0) with the highest val accuracy, the first of equals.
        history: one dictionary of metrics an epoch, with `val_accuracy` (percent) where the epoch was judged.
        seconds: of training and validation, in all sittings; of what runs do together, each has an equal share.
        provenance: where each sitting took place; of neighbouring sittings that are alike, one stands for all.
        clip: digest of the CLIP it was trained with; empty where version 0.1.0 did not record it.
        network: see `RunIdentity`; empty where version 0.1.0 did not record it.
    """

    identity: str
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    val_accuracy: float = -1.0
    history: list[Metrics] = field(default_factory=list)
    seconds: float = 0.0
    provenance: list[Provenance] = field(default_factory=list)
    clip: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "best_epoch": self.best_epoch,
            "val_accuracy": self.val_accuracy,
            "history": self.history,
            "seconds": self.seconds,
            "provenance": [sitting.record() for sitting in self.provenance],
            "clip": self.clip,
            "network": self.network,
        }


class TrainingDiverged(ValueError):
    """A loss became infinite or not a number."""


@dataclass(frozen=True)
class RunPlan:
    """What the loop must know about a run, and whom it tells.

    Arguments:
        identity: of all that determines the result.
        artifact: file of the finished run.
        checkpoint: file of the state between epochs; removed once the artifact is there.
        report: called after every epoch with its number and metrics; on resume first with the epochs done before.
        failed: called when the run ends with an error of its own: it diverged, or its files cannot be read or written.
        resumed: called with the number of epochs that a checkpoint saves, and with what has changed since that may
            move the last bits of the result.
        keep: weights of the first epoch with the best val accuracy, or of the last epoch.
        val_every: every so many epochs one is judged and may be kept; the last always is.
    """

    identity: RunIdentity
    artifact: Path
    checkpoint: Path
    epochs: int
    report: Callable[[int, Metrics], None]
    failed: Callable[[ValueError | OSError], None]
    resumed: Callable[[int, str], None]
    keep: Literal["best", "last"] = "best"
    val_every: int = 1

    def judges(self, epoch: int) -> bool:
        return (epoch + 1) % self.val_every == 0 or epoch + 1 == self.epochs


def read_trained(path: Path) -> TrainedRun:
    """A finished run from its file. Raises ValueError if it is damaged."""
    return _stored_run(path, *read_tensors(path))


def finished_run(plan: RunPlan) -> TrainedRun | None:
    """The run, if its file is there and of the same identity. Raises ValueError if the file is damaged."""
    if not plan.artifact.exists():
        return None
    found = read_trained(plan.artifact)
    return found if plan.identity.is_known_as(found.identity) else None


def replay(run: TrainedRun, report: Callable[[int, Metrics], None]) -> None:
    """Report the epochs that were trained before."""
    for epoch, metrics in enumerate(run.history):
        report(epoch, metrics)


def train(
    groups: Sequence[tuple[RunGroup, Sequence[RunPlan]]], checkpoint_seconds: float, here: Provenance
) -> list[TrainedRun | None]:
    """Train all runs of all groups to the end, each from its last checkpoint.

    Arguments:
        groups: each with the plans of its runs, in the order of their numbers.
        checkpoint_seconds: at least so long between two checkpoints of a run; 0 = after every epoch.
        here: where this sitting takes place.

    Returns:
        the runs in the order of the plans; None for those that were reported as failed.
    """
    checkpoints = Checkpoints(checkpoint_seconds)
    teams = [[_Run(group, number, plan) for number, plan in enumerate(plans)] for group, plans in groups]
    runs = [run for team in teams for run in team]
    for run in runs:
        run.resume(here)
    while any(run.active for run in runs):
        checkpoints.runs = sum(run.active for run in runs)
        for team in teams:
            _advance([run for run in team if run.active], checkpoints)
    return [None if run.has_failed else run.trained for run in runs]


class Checkpoints:
    """How often checkpoints are written."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.runs = 1
        self._cost_seconds = 0.0

    def due(self, since: float) -> bool:
        pause = max(self.seconds, self.runs * self._cost_seconds / CHECKPOINT_SHARE) if self.seconds else 0.0
        return time.monotonic() - since >= pause

    def written(self, seconds: float) -> None:
        self._cost_seconds = seconds


class _Run:
    """One run on its way through the loop."""

    def __init__(self, group: RunGroup, number: int, plan: RunPlan) -> None:
        self.group, self.number, self.plan = group, number, plan
        self.trained = TrainedRun(plan.identity.digest, clip=plan.identity.clip, network=plan.identity.network)
        self.has_failed = False
        self._written = time.monotonic()

    @property
    def epoch(self) -> int:
        """The next one."""
        return len(self.trained.history)

    @property
    def active(self) -> bool:
        return not self.has_failed and self.epoch < self.plan.epochs

    def resume(self, here: Provenance) -> None:
        """Continue from the checkpoint, if there is one of this run."""
        if self._own(self._load) and self.epoch:
            self.plan.resumed(self.epoch, self.trained.provenance[-1].changes(here))
            replay(self.trained, self.plan.report)
        if self.trained.provenance[-1:] != [here]:
            self.trained.provenance.append(here)

    def take(self, metrics: Metrics, seconds: float, checkpoints: Checkpoints) -> None:
        """The next epoch is trained: judge it, save it, report it."""
        epoch = self.epoch
        if not self._own(lambda: self._record(metrics, seconds, checkpoints)):
            return
        self.plan.report(epoch, metrics)
        if not self.active:
            self._own(self._finish)

    def _own(self, work: Callable[[], None]) -> bool:
        """Do what may fail for this run alone; the others go on."""
        try:
            work()
        except (ValueError, OSError) as error:
            self.has_failed = True
            self.plan.failed(error)
        return not self.has_failed

    def _load(self) -> None:
        if not self.plan.checkpoint.exists():
            return
        tensors, record = read_tensors(self.plan.checkpoint)
        if not self.plan.identity.is_known_as(record.get("identity")):
            return
        self.group.load_state(self.number, {n[6:]: t for n, t in tensors.items() if n.startswith("state/")})
        best = {n[5:]: t for n, t in tensors.items() if n.startswith("best/")}
        self.trained = _stored_run(self.plan.checkpoint, best, {**record, "network": self.plan.identity.network})

    def _record(self, metrics: Metrics, seconds: float, checkpoints: Checkpoints) -> None:
        began, epoch, trained = time.monotonic(), self.epoch, self.trained
        _check_finite(metrics, epoch)
        if self.plan.judges(epoch):
            accuracy = metrics["val_accuracy"] = _checked_accuracy(self.group.val_accuracy(self.number), epoch)
            if self.plan.keep == "last" or accuracy > trained.val_accuracy:
                trained.val_accuracy, trained.best_epoch = accuracy, epoch
                weights = self.group.weights(self.number)
                trained.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        trained.history.append(metrics)
        now = time.monotonic()
        trained.seconds += seconds + now - began
        if self.active and checkpoints.due(self._written):
            self._write_checkpoint()
            self._written = time.monotonic()
            checkpoints.written(self._written - now)

    def _write_checkpoint(self) -> None:
        best = {f"best/{name}": tensor for name, tensor in self.trained.weights.items()}
        state = {f"state/{name}": tensor for name, tensor in self.group.state(self.number).items()}
        write_tensors(self.plan.checkpoint, best | state, self.trained.record())

    def _finish(self) -> None:
        write_tensors(self.plan.artifact, self.trained.weights, self.trained.record())
        self.plan.checkpoint.unlink(missing_ok=True)
        for path in (self.plan.artifact, self.plan.checkpoint):
            remove_leftovers(path)


def _advance(runs: Sequence[_Run], checkpoints: Checkpoints) -> None:
    """One epoch of some runs of one group."""
    if not runs:
        return
    began = time.monotonic()
    metrics = runs[0].group.train_epoch({run.number: run.epoch for run in runs})
    share = (time.monotonic() - began) / len(runs)
    for run in runs:
        run.take(metrics[run.number], share, checkpoints)


def _stored_run(path: Path, weights: dict[str, Tensor], record: dict[str, Any]) -> TrainedRun:
    record = {"provenance": [OF_VERSION_0_1_0.record()], "clip": "", "network": {}, **record}
    if record.keys() != TrainedRun("").record().keys():
        raise ValueError(f"{path} is not a training run of this version: delete it and run the same command again")
    record["provenance"] = [Provenance(**sitting) for sitting in record["provenance"]]
    return TrainedRun(weights=weights, **record)


def _check_finite(metrics: Metrics, epoch: int) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingDiverged(f"{name} is {value} in epoch {epoch}: training diverged. Lower the learning rate")


def _checked_accuracy(percent: float, epoch: int) -> float:
    if not math.isfinite(percent):
        raise ValueError(f"val_accuracy is {percent} in epoch {epoch}: there are no validation images to select by")
    return percent
