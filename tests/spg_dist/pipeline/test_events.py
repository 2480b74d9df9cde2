"""What a job shows and keeps of what its trainings tell, wherever they ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.events import EpochDone, RunFailed, RunResumed, RunsFailed, TrainingWatch, fail_at_once
from spg_dist.progress import Display

SPEC, OTHER = RunSpec("spg", "art", 1), RunSpec("spg", "photo", 1)


class Shown(Display):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[tuple[str, int]] = []
        self.resumed: list[tuple[str, int, int]] = []

    def epoch_done(self, run: str, epoch: int, metrics: dict[str, float]) -> None:
        self.epochs.append((run, epoch))

    def run_resumed(self, run: str, epochs: int, uncounted: int, changes: str) -> None:
        self.resumed.append((run, epochs, uncounted))


def test_an_epoch_that_a_restarted_worker_tells_again_is_shown_once(tmp_path: Path) -> None:
    display = Shown()
    watch = TrainingWatch(RunFolder(tmp_path), display)
    for epoch in (0, 1):
        watch(EpochDone(SPEC, epoch, {"loss": 1.0}))
    watch(RunResumed(SPEC, 2, ""))
    for epoch in (0, 1, 2):
        watch(EpochDone(SPEC, epoch, {"loss": 1.0}))
    assert display.epochs == [("spg art seed 1", 0), ("spg art seed 1", 1), ("spg art seed 1", 2)]
    assert display.resumed == [("spg art seed 1", 2, 0)]
    assert len(list(tmp_path.rglob("events.out.*"))) == 1


def test_a_run_resumed_from_an_earlier_job_counts_the_epochs_that_this_one_did_not_see(tmp_path: Path) -> None:
    display = Shown()
    TrainingWatch(RunFolder(tmp_path), display)(RunResumed(SPEC, 5, ""))
    assert display.resumed == [("spg art seed 1", 5, 5)]


def test_errors_are_raised_at_the_end_one_as_it_was_and_several_together(tmp_path: Path) -> None:
    watch = TrainingWatch(RunFolder(tmp_path), Shown())
    watch.finish()
    first, second = OSError("the disk is full"), ValueError("it diverged")
    watch(RunFailed(SPEC, first))
    with pytest.raises(OSError, match="the disk is full") as raised:
        watch.finish()
    assert raised.value is first
    watch(RunFailed(OTHER, second))
    with pytest.raises(RunsFailed, match="the disk is full; it diverged"):
        watch.finish()


def test_a_listener_may_end_a_training_with_the_first_error() -> None:
    fail_at_once(EpochDone(SPEC, 0, {}))
    with pytest.raises(ValueError, match="it diverged"):
        fail_at_once(RunFailed(SPEC, ValueError("it diverged")))
