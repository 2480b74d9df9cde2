"""Runs of the training loop as its tests start and watch them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import Metrics, RunGroup, RunPlan, TrainedRun, finished_run, replay, train
from spg_dist.training.one_by_one import OneByOne
from spg_dist.training.provenance import Provenance

EPOCHS = 4  # of each training that conftest.py makes


class Killed(Exception):
    """Stands for the end of the process."""


class Seen:
    """What was reported; stops the run after an epoch, if asked to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.epochs: list[int] = []
        self.metrics: list[Metrics] = []
        self.stop_after = stop_after

    def __call__(self, epoch: int, metrics: Metrics) -> None:
        self.epochs.append(epoch)
        self.metrics.append(metrics)
        if epoch == self.stop_after:
            raise Killed


def raise_it(error: Exception) -> None:
    raise error


HERE = Provenance("a processor", threads=1, torch_version="2", version="3")


def identity_of(name: str) -> RunIdentity:
    return RunIdentity({"name": name})


def plan(folder: Path, epochs: int, seen: Seen | None = None, identity: str = "a", **more: Any) -> RunPlan:
    asked: dict[str, Any] = {"report": seen or Seen(), "failed": raise_it, "resumed": lambda epochs, moved: None}
    return RunPlan(identity_of(identity), folder / "run.safetensors", folder / "run.ckpt", epochs, **(asked | more))


def run(
    group: RunGroup,
    folder: Path,
    seen: Seen | None = None,
    identity: str = "a",
    seconds: float = 0,
    epochs: int = EPOCHS,
    here: Provenance = HERE,
    **more: Any,
) -> TrainedRun:
    """A group of one; a run that is there already is not trained."""
    planned = plan(folder, epochs, seen, identity, **more)
    finished = finished_run(planned)
    if finished is not None:
        replay(finished, planned.report)
        return finished
    (trained,) = train([(group, [planned])], seconds, here)
    assert trained is not None
    return trained


def run_script(script: Any, folder: Path, seen: Seen | None = None, **more: Any) -> TrainedRun:
    return run(OneByOne([script]), folder, seen, epochs=script.epochs, **more)
