"""TensorBoard files hold each epoch once, also after a resume."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
from tensorboardX.proto.event_pb2 import Event

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.curves import CurveWriter

SPEC = RunSpec("spg", "photo", 1)


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """(name, epoch, value) of every point in a run's event files, read record by record."""
    found = []
    for path in sorted(folder.glob("events.*")):
        content, start = path.read_bytes(), 0
        while start < len(content):
            length = int.from_bytes(content[start : start + 8], "little")
            event = Event.FromString(content[start + 12 : start + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            start += 12 + length + 4
    return found


def test_each_run_has_its_own_folder_and_every_metric_its_curve(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    other = RunSpec("coop", "sketch", 2)
    curves = CurveWriter(folder)
    for epoch in range(3):
        curves.write(SPEC, epoch, {"g_loss": 0.5, "val_accuracy": 10.0 * epoch})
        curves.write(other, epoch, {"loss": 2.0})
    assert sorted(scalars(folder.tensorboard(SPEC))) == sorted(
        [("g_loss", epoch, 0.5) for epoch in range(3)] + [("val_accuracy", epoch, 10.0 * epoch) for epoch in range(3)]
    )
    assert scalars(folder.tensorboard(other)) == [("loss", epoch, 2.0) for epoch in range(3)]


def test_a_resumed_run_draws_its_curve_anew(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    curves = CurveWriter(folder)
    for epoch in range(2):
        curves.write(SPEC, epoch, {"loss": 1.0})
    curves = CurveWriter(folder)
    for epoch in range(3):
        curves.write(SPEC, epoch, {"loss": 1.0})
    assert scalars(folder.tensorboard(SPEC)) == [("loss", epoch, 1.0) for epoch in range(3)]


def test_a_run_restarted_within_one_job_draws_its_curve_anew(tmp_path: Path) -> None:
    """A worker that died is restarted, and reports from its first epoch again."""
    folder = RunFolder(tmp_path)
    curves = CurveWriter(folder)
    for epoch in (0, 1, 0, 1, 2):
        curves.write(SPEC, epoch, {"loss": 1.0})
    assert scalars(folder.tensorboard(SPEC)) == [("loss", epoch, 1.0) for epoch in range(3)]


def test_hundreds_of_runs_need_no_descriptor_and_no_thread_each(tmp_path: Path) -> None:
    curves, threads = CurveWriter(RunFolder(tmp_path)), threading.active_count()
    before = psutil.Process().num_fds()
    for epoch in range(2):
        for seed in range(100):
            curves.write(RunSpec("spg", "photo", seed), epoch, {"loss": 1.0})
    assert (psutil.Process().num_fds(), threading.active_count()) == (before, threads)
