"""Train runs of an experiment, wherever this is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from spg_dist.config import Config
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods import method_of, settings_of
from spg_dist.pipeline.events import EpochDone, Listener, RunFailed, RunResumed
from spg_dist.run import Run
from spg_dist.training.loop import (
    RunPlan,
    TrainedRun,
    TrainingDiverged,
    finished_run,
    replay,
    train,
)
from spg_dist.training.provenance import Provenance


@dataclass(frozen=True)
class _PlannedRun:
    """A run that is still to be trained, and from what."""

    run: Run[Any]
    training: Any
    plan: RunPlan


def train_runs(runs: Sequence[Run[Any]], tell: Listener) -> dict[RunSpec, TrainedRun]:
    """Train runs of one experiment together, in lockstep by epoch; each resumes from its checkpoint, or is found
    finished. A run that fails leaves the others as they are.

    Runs of one method that fit together are one program. At most `execution.runs_together` runs are under way at a
    time; the others follow.

    Arguments:
        tell: hears what happens to every run.

    Returns:
        the runs that are finished.
    """
    done: dict[RunSpec, TrainedRun] = {}
    waiting: list[_PlannedRun] = []
    for run in runs:
        try:
            plan = _plan(run, tell)
            finished = finished_run(plan)
            if finished is None:
                waiting.append(_PlannedRun(run, run.method.training(run), plan))
        except (ValueError, OSError) as error:
            tell(RunFailed(run.spec, error))
            continue
        if finished is not None:
            replay(finished, plan.report)
            done[run.spec] = finished
    if not waiting:
        return done
    material = runs[0].material
    execution, here = material.core.execution, Provenance.here(material.table.device)
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
        groups.setdefault((one.run.spec.method, one.run.method.together(one.training)), []).append(one)
    members = list(groups.values())
    programs = [group[0].run.method.group([one.training for one in group]) for group in members]
    plans = [[one.plan for one in group] for group in members]
    trained = train(list(zip(programs, plans, strict=True)), checkpoint_seconds, here)
    specs = [one.run.spec for group in members for one in group]
    return {spec: run for spec, run in zip(specs, trained, strict=True) if run is not None}


def _plan(run: Run[Any], tell: Listener) -> RunPlan:
    method, spec, folder = run.method, run.spec, run.material.folder

    def failed(error: ValueError | OSError) -> None:
        if isinstance(error, TrainingDiverged):
            error = TrainingDiverged(f"{spec.name}: {error}, e.g. {method.branch}.learning_rate=1e-4")
        tell(RunFailed(spec, error))

    return RunPlan(
        identity=replace(run.identity, network=method.network(run)),
        artifact=folder.artifact(spec),
        checkpoint=folder.checkpoint(spec),
        epochs=method.epochs(run.settings),
        report=lambda epoch, metrics: tell(EpochDone(spec, epoch, metrics)),
        failed=failed,
        resumed=lambda epochs, changes: tell(RunResumed(spec, epochs, changes)),
        # what is learned by domain is always its own domain's best: the selection rule is about what is tested
        keep="last" if run.material.core.selection == "last" and not method.by_domain else "best",
        val_every=getattr(run.settings, "val_every", 1),
    )


def epochs_of(config: Config, specs: Sequence[RunSpec]) -> int:
    """Epochs of all runs together, for a progress bar."""
    methods = [method_of(spec.method) for spec in specs]
    return sum(method.epochs(settings_of(config, method)) for method in methods)
