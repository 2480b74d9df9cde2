"""Train runs of an experiment, wherever this is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from spg_dist.config import Config
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.methods.registry import TRAINED, TrainedMethod
from spg_dist.training.loop import (
    Metrics,
    RunPlan,
    TrainedRun,
    TrainingDiverged,
    finished_run,
    read_trained,
    replay,
    train,
)
from spg_dist.training.provenance import Provenance

Report = Callable[[RunSpec, int, Metrics], None]
Failed = Callable[[RunSpec, ValueError | OSError], None]
Resumed = Callable[[RunSpec, int, str], None]


class RunsFailed(ValueError):
    """Runs that ended with an error of their own; the message has each one's."""


@dataclass(frozen=True)
class _PlannedRun:
    """A run that is still to be trained, and from what."""

    spec: RunSpec
    method: TrainedMethod
    run: Any
    plan: RunPlan


def train_runs(
    experiment: Experiment,
    specs: Sequence[RunSpec],
    report: Report,
    failed: Failed,
    resumed: Resumed = lambda spec, epochs, changes: None,
) -> dict[RunSpec, TrainedRun]:
    """Train runs together, in lockstep by epoch; each goes on from its checkpoint, or is found finished.

    Runs of one method that fit together are one program. At most `execution.runs_together` runs are under way at a
    time; the others follow.

    Arguments:
        report: called after every epoch of every run with its number (from 0) and metrics, first with those that were
            trained before. What it raises ends the training; checkpoints stay.
        failed: called for a run that cannot go on: a TrainingDiverged, or its files cannot be read or written. The
            others go on.
        resumed: called for a run that resumes after so many epochs, with what has changed since that may move the last
            bits of its result.

    Returns:
        the runs that are finished.
    """
    done: dict[RunSpec, TrainedRun] = {}
    waiting: list[_PlannedRun] = []
    for spec in specs:
        try:
            planned = _plan(experiment, spec, report, failed, resumed)
            finished = finished_run(planned.plan)
        except (ValueError, OSError) as error:
            failed(spec, error)
            continue
        if finished is None:
            waiting.append(planned)
        else:
            replay(finished, planned.plan.report)
            done[spec] = finished
    execution, here = experiment.config.execution, Provenance.here(experiment.table.device)
    for start in range(0, len(waiting), execution.runs_together):
        some = waiting[start : start + execution.runs_together]
        done |= _train_together(some, execution.checkpoint_seconds, here)
    return done


def _train_together(
    planned: Sequence[_PlannedRun], checkpoint_seconds: float, here: Provenance
) -> dict[RunSpec, TrainedRun]:
    """The runs that ended well."""
    groups: dict[Any, list[_PlannedRun]] = {}
    for one in planned:
        groups.setdefault((one.spec.method, one.method.alike(one.run)), []).append(one)
    members = list(groups.values())
    trained = train(
        [(group[0].method.group([one.run for one in group]), [one.plan for one in group]) for group in members],
        checkpoint_seconds,
        here,
    )
    specs = [one.spec for group in members for one in group]
    return {spec: run for spec, run in zip(specs, trained, strict=True) if run is not None}


def _plan(experiment: Experiment, spec: RunSpec, report: Report, failed: Failed, resumed: Resumed) -> _PlannedRun:
    method = TRAINED[spec.method]
    run, identity = method.run(experiment, spec)
    config, folder = experiment.config, experiment.folder
    settings = getattr(config, method.section)

    def failed_by_name(error: ValueError | OSError) -> None:
        if isinstance(error, TrainingDiverged):
            error = TrainingDiverged(f"{spec.name}: {error}, e.g. {method.section}.learning_rate=1e-4")
        failed(spec, error)

    plan = RunPlan(
        identity=identity,
        artifact=folder.artifact(spec),
        checkpoint=folder.checkpoint(spec),
        epochs=settings.epochs,
        report=partial(report, spec),
        failed=failed_by_name,
        resumed=partial(resumed, spec),
        # a prompt label is always its own domain's best: the selection rule is about what is tested
        keep="last" if config.selection == "last" and spec.method != PROMPT_LABEL else "best",
        val_every=settings.val_every,
    )
    return _PlannedRun(spec, method, run, plan)


def unfinished(experiment: Experiment, specs: list[RunSpec]) -> list[RunSpec]:
    """The runs whose file is not there yet, or is that of other settings, data or features."""
    return [spec for spec in specs if not _is_finished(experiment, spec)]


def _is_finished(experiment: Experiment, spec: RunSpec) -> bool:
    artifact = experiment.folder.artifact(spec)
    if not artifact.exists():
        return False
    _, identity = TRAINED[spec.method].run(experiment, spec)
    return identity.is_known_as(read_trained(artifact).identity)


def epochs_of(config: Config, specs: list[RunSpec]) -> int:
    """Epochs of all runs together, for a progress bar."""
    return sum(int(getattr(config, TRAINED[spec.method].section).epochs) for spec in specs)
