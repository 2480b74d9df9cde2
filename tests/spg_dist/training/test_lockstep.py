"""Runs advance together epoch by epoch, each for itself: ended, failed and resumed ones leave the others alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loop_material import HERE, Killed, Seen, plan, run_script

from spg_dist.training.loop import Checkpoints, RunPlan, TrainedRun, read_trained, train
from spg_dist.training.one_by_one import OneByOne


class Watched:
    """Runs of some lengths, the order of their epochs, and which of them failed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.order: list[tuple[str, int]] = []
        self.failures: dict[str, str] = {}
        self.resumed: dict[str, int] = {}

    def plan(self, name: str, epochs: int) -> RunPlan:
        return plan(
            self.folder / name,
            epochs,
            report=lambda epoch, metrics: self.order.append((name, epoch)),
            failed=lambda error: self.failures.update({name: str(error)}),
            resumed=lambda epochs, moved: self.resumed.update({name: epochs}),
        )

    def train(self, *groups: dict[str, Any]) -> list[TrainedRun | None]:
        made = [
            (OneByOne(list(group.values())), [self.plan(name, script.epochs) for name, script in group.items()])
            for group in groups
        ]
        return train(made, 0, HERE)


def test_runs_advance_together_epoch_by_epoch(scripted: Callable[..., Any], tmp_path: Path) -> None:
    """Across groups too; those that are done leave."""
    seen = Watched(tmp_path)
    done = seen.train({"a": scripted([1, 2]), "b": scripted([3])}, {"c": scripted([5, 4, 6])})
    assert seen.order == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("c", 1), ("c", 2)]
    assert [run and run.val_accuracy for run in done] == [2, 3, 6]
    assert [read_trained(tmp_path / name / "run.safetensors").val_accuracy for name in "abc"] == [2, 3, 6]


def test_a_run_that_fails_leaves_the_others_alone(scripted: Callable[..., Any], tmp_path: Path) -> None:
    """It diverges, its checkpoint is damaged, or its folder cannot be written."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.ckpt").write_bytes(b"garbage")
    (tmp_path / "blocked").write_text("a file where a folder should be")
    seen = Watched(tmp_path)
    scripts = {name: scripted([1, 2, 3]) for name in ("damaged", "blocked", "sound")}
    done = seen.train({"diverging": scripted([1, 2, 3], [0.5, math.nan, 0.5]), **scripts})
    assert [run is None for run in done] == [True, True, True, False]
    assert seen.failures.keys() == {"diverging", "damaged", "blocked"}
    assert "loss is nan in epoch 1" in seen.failures["diverging"]
    assert "is damaged" in seen.failures["damaged"]
    assert [epoch for name, epoch in seen.order if name == "sound"] == [0, 1, 2]
    assert [epoch for name, epoch in seen.order if name != "sound"] == [0], "only the diverging run's first epoch"


def test_resumed_runs_go_on_in_their_own_epochs(scripted: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_script(scripted([1, 2, 3]), tmp_path / "a", Seen(stop_after=1))
    seen = Watched(tmp_path)
    done = seen.train({"a": scripted([1, 2, 3]), "b": scripted([1, 2])})
    assert seen.resumed == {"a": 2}
    assert seen.order == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]
    assert [run and float(run.weights["seen"]) for run in done] == [3, 2]


def test_checkpoints_of_many_runs_take_a_bounded_share_of_the_time() -> None:
    """Runs in lockstep all write theirs, so that what one second of writing pauses grows with their number."""
    some, many = Checkpoints(0.5), Checkpoints(0.5)
    some.runs, many.runs = 1, 10
    for checkpoints in (some, many):
        checkpoints.written(1.0)
    now = time.monotonic()
    assert not some.due(now - 19) and some.due(now - 21)
    assert not many.due(now - 199) and many.due(now - 201)
    each = Checkpoints(0)
    each.written(1.0)
    assert each.due(now)
