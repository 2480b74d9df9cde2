"""The one training loop: epochs, model selection, checkpoint and resume, for every method that trains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor

from spg_dist.training.files import read_tensors, write_tensors

Metrics = dict[str, float]
EpochReport = Callable[[int, Metrics], None]


class Trainable(Protocol):
    """What a method gives to the loop.

    Epoch e must depend on `state()` and e alone, so that a resumed run repeats nothing and skips nothing.
    """

    epochs: int

    def train_epoch(self, epoch: int) -> Metrics:
        """One pass over the training features; returns mean losses."""

    def val_accuracy(self) -> float:
        """Accuracy (percent) on the validation features of the training domains."""

    def weights(self) -> dict[str, Tensor]:
        """What is learned: kept when its val accuracy is the best so far."""

    def state(self) -> dict[str, Tensor]:
        """All that the next epoch needs: weights and the optimizers' moments."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from a former `state()`."""


@dataclass
class TrainedRun:
    """A finished run: the best weights, and how they came about.

    Arguments:
        identity: digest of all that determines the result.
        best_epoch: epoch (from 0) with the highest val accuracy, the first of equals.
        history: one dictionary of metrics an epoch, `val_accuracy` (percent) among them.
    """

    identity: str
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    val_accuracy: float = -1.0
    history: list[Metrics] = field(default_factory=list)
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "best_epoch": self.best_epoch,
            "val_accuracy": self.val_accuracy,
            "history": self.history,
            "seconds": self.seconds,
        }


class TrainingDiverged(ValueError):
    """A loss became infinite or not a number."""


def read_trained(path: Path) -> TrainedRun:
    """A finished run from its file. Raises ValueError if it is damaged."""
    return _stored_run(path, *read_tensors(path))


def train(
    trainable: Trainable,
    identity: str,
    artifact: Path,
    checkpoint: Path,
    report: EpochReport,
    checkpoint_seconds: float,
    keep: Literal["best", "last"] = "best",
) -> TrainedRun:
    """Train to the end, or go on from the last checkpoint, or return the finished run that is already there.

    Arguments:
        artifact: file of the finished run.
        checkpoint: file of the state between epochs; removed once the artifact is there.
        report: called after every epoch with its number and metrics; on resume first with the epochs done before.
        checkpoint_seconds: at least so long between two checkpoints; 0 = after every epoch.
        keep: weights of the first epoch with the best val accuracy, or of the last epoch.

    Raises:
        TrainingDiverged: a loss is not finite.
    """
    if artifact.exists():
        finished = read_trained(artifact)
        if finished.identity == identity:
            _replay(finished, report)
            return finished
    run = _resume(trainable, identity, checkpoint) or TrainedRun(identity)
    _replay(run, report)
    written = started = time.monotonic()
    before = run.seconds
    for epoch in range(len(run.history), trainable.epochs):
        metrics = trainable.train_epoch(epoch)
        _check_finite(metrics, epoch)
        metrics["val_accuracy"] = _checked_accuracy(trainable.val_accuracy(), epoch)
        run.history.append(metrics)
        if keep == "last" or metrics["val_accuracy"] > run.val_accuracy:
            run.val_accuracy, run.best_epoch = metrics["val_accuracy"], epoch
            run.weights = {name: tensor.detach().clone() for name, tensor in trainable.weights().items()}
        now = time.monotonic()
        run.seconds = before + now - started
        if now - written >= checkpoint_seconds and epoch + 1 < trainable.epochs:
            _write_checkpoint(trainable, run, checkpoint)
            written = now
        report(epoch, metrics)
    write_tensors(artifact, run.weights, run.record())
    checkpoint.unlink(missing_ok=True)
    return run


def _replay(run: TrainedRun, report: EpochReport) -> None:
    for epoch, metrics in enumerate(run.history):
        report(epoch, metrics)


def _write_checkpoint(trainable: Trainable, run: TrainedRun, path: Path) -> None:
    best = {f"best/{name}": tensor for name, tensor in run.weights.items()}
    state = {f"state/{name}": tensor for name, tensor in trainable.state().items()}
    write_tensors(path, best | state, run.record())


def _resume(trainable: Trainable, identity: str, path: Path) -> TrainedRun | None:
    if not path.exists():
        return None
    tensors, record = read_tensors(path)
    if record.get("identity") != identity:
        return None
    trainable.load_state({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("state/")})
    best = {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("best/")}
    return _stored_run(path, best, record)


def _stored_run(path: Path, weights: dict[str, Tensor], record: dict[str, Any]) -> TrainedRun:
    if record.keys() != TrainedRun("").record().keys():
        raise ValueError(f"{path} is not a training run of this version: delete it and run the same command again")
    return TrainedRun(weights=weights, **record)


def _check_finite(metrics: Metrics, epoch: int) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingDiverged(f"{name} is {value} in epoch {epoch}: training diverged. Lower the learning rate")


def _checked_accuracy(percent: float, epoch: int) -> float:
    if not math.isfinite(percent):
        raise ValueError(f"val_accuracy is {percent} in epoch {epoch}: there are no validation images to select by")
    return percent
