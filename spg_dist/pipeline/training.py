"""Train runs of an experiment, wherever this is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from spg_dist.config import Config
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.methods.registry import TRAINED
from spg_dist.training import (
    Metrics,
    OneByOne,
    RunGroup,
    RunPlan,
    TrainedRun,
    TrainingDiverged,
    finished_run,
    read_trained,
    replay,
    train,
)

Report = Callable[[RunSpec, int, Metrics], None]
Failed = Callable[[RunSpec, ValueError | OSError], None]
Resumed = Callable[[RunSpec, int], None]


class RunsFailed(ValueError):
    """Runs that ended with an error of their own; the message has each one's."""


def train_runs(
    experiment: Experiment,
    specs: Sequence[RunSpec],
    report: Report,
    failed: Failed,
    resumed: Resumed = lambda spec, epochs: None,
) -> dict[RunSpec, TrainedRun]:
    """Train runs together, in lockstep by epoch; each goes on from its checkpoint, or is found finished.

    Arguments:
        report: called after every epoch of every run with its number (from 0) and metrics, first with those that were
            trained before. What it raises ends the training; checkpoints stay.
        failed: called for a run that cannot go on: a TrainingDiverged, or its files cannot be read or written. The
            others go on.
        resumed: called for a run that goes on behind so many epochs.

    Returns:
        the runs that are finished.
    """
    done: dict[RunSpec, TrainedRun] = {}
    waiting: list[tuple[RunSpec, Any, RunPlan]] = []
    for spec in specs:
        try:
            trainable, plan = _plan(experiment, spec, report, failed, resumed)
            finished = finished_run(plan)
        except (ValueError, OSError) as error:
            failed(spec, error)
            continue
        if finished is None:
            waiting.append((spec, trainable, plan))
        else:
            replay(finished, plan.report)
            done[spec] = finished
    groups: list[tuple[RunGroup, list[RunPlan]]] = []
    for _, members in groupby(waiting, key=lambda member: member[0].method):
        runs = list(members)
        groups.append((OneByOne([run for _, run, _ in runs]), [plan for _, _, plan in runs]))
    trained = train(groups, experiment.config.execution.checkpoint_seconds)
    return done | {spec: run for (spec, _, _), run in zip(waiting, trained, strict=True) if run is not None}


def _plan(
    experiment: Experiment, spec: RunSpec, report: Report, failed: Failed, resumed: Resumed
) -> tuple[Any, RunPlan]:
    method = TRAINED[spec.method]
    trainable, identity = method.training(experiment, spec)
    config, folder = experiment.config, experiment.folder

    def failed_by_name(error: ValueError | OSError) -> None:
        if isinstance(error, TrainingDiverged):
            error = TrainingDiverged(f"{spec.name}: {error}, e.g. {method.section}.learning_rate=1e-4")
        failed(spec, error)

    return trainable, RunPlan(
        identity=identity,
        artifact=folder.artifact(spec),
        checkpoint=folder.checkpoint(spec),
        epochs=int(getattr(config, method.section).epochs),
        report=partial(report, spec),
        failed=failed_by_name,
        resumed=partial(resumed, spec),
        # a prompt label is always its own domain's best: the selection rule is about what is tested
        keep="last" if config.selection == "last" and spec.method != PROMPT_LABEL else "best",
    )


def unfinished(experiment: Experiment, specs: list[RunSpec]) -> list[RunSpec]:
    """The runs whose file is not there yet, or is that of other settings, data or features."""
    return [spec for spec in specs if not _is_finished(experiment, spec)]


def _is_finished(experiment: Experiment, spec: RunSpec) -> bool:
    artifact = experiment.folder.artifact(spec)
    if not artifact.exists():
        return False
    _, identity = TRAINED[spec.method].training(experiment, spec)
    return read_trained(artifact).identity == identity


def epochs_of(config: Config, specs: list[RunSpec]) -> int:
    """Epochs of all runs together, for a progress bar."""
    return sum(int(getattr(config, TRAINED[spec.method].section).epochs) for spec in specs)
