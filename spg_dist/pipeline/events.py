"""What a training tells while it runs, the same in this process and from a worker; and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.curves import CurveWriter
from spg_dist.progress import Display
from spg_dist.training.loop import Metrics


@dataclass(frozen=True)
class EpochDone:
    """A run has done an epoch (from 0), now or, as is told first when it resumes, in an earlier sitting."""

    spec: RunSpec
    epoch: int
    metrics: Metrics


@dataclass(frozen=True)
class RunResumed:
    """A run resumes after so many epochs; `changes` says what may have moved its last bits since."""

    spec: RunSpec
    epochs: int
    changes: str


@dataclass(frozen=True)
class RunFailed:
    """A run cannot go on, whatever is restarted: its configuration, its data or the disk is at fault."""

    spec: RunSpec
    error: ValueError | OSError


Event = EpochDone | RunResumed | RunFailed
Listener = Callable[[Event], None]
"""What it raises ends the training; checkpoints stay."""


class RunsFailed(ValueError):
    """Runs that ended with an error of their own; the message has each one's."""


def fail_at_once(event: Event) -> None:
    """A listener that ends the training with the first run's error, and hears nothing else."""
    if isinstance(event, RunFailed):
        raise event.error


class TrainingWatch:
    """The listener of a job: bars and log lines, training curves, and the errors that are told at the end.

    Each epoch is shown once: a worker that was started again tells of those before, too.
    """

    def __init__(self, folder: RunFolder, display: Display) -> None:
        self._curves, self._display = CurveWriter(folder), display
        self._seen: set[tuple[RunSpec, int]] = set()
        self._errors: list[ValueError | OSError] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunFailed):
            self._errors.append(event.error)
        elif isinstance(event, RunResumed):
            uncounted = sum((event.spec, epoch) not in self._seen for epoch in range(event.epochs))
            self._display.run_resumed(event.spec.name, event.epochs, uncounted, event.changes)
        else:
            self._curves.write(event.spec, event.epoch, event.metrics)
            if (event.spec, event.epoch) not in self._seen:
                self._seen.add((event.spec, event.epoch))
                self._display.epoch_done(event.spec.name, event.epoch, event.metrics)

    def finish(self) -> None:
        """Raises the error of the one run that failed, or RunsFailed with those of several; the others are finished."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise RunsFailed("; ".join(map(str, self._errors)))
