"""On a processor whose products keep no row's bits, a killed job still ends with the bits of an undisturbed one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stand_in_processor import everywhere

from spg_dist.training.loop import TrainedRun, read_trained

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = [
    "data.images_per_class=4",
    "targets=[sketch,art]",
    "seeds=[1]",
    "stage1.epochs=8",
    "coop.epochs=2",
    "stage2.epochs=8",
    "execution.checkpoint_seconds=0",
]
LOCAL = "execution.backend=local"
PATIENCE_SECONDS = 400


@contextmanager
def job(home: Path, *settings: str, processor: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A job in a separate process, which is gone in the end."""
    environment = {**os.environ, "SPG_HOME": str(home), **processor}
    command = [sys.executable, "jobs/full_pipeline.py", *SETTINGS, *settings]
    with subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def finish(home: Path, *settings: str, processor: dict[str, str]) -> str:
    with job(home, *settings, processor=processor) as running:
        said, _ = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 0, said
    return said


def kill_when(pattern: str, home: Path, *settings: str) -> None:
    """SIGKILL once a file is there."""
    with job(home, *settings, processor=everywhere()) as running:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list((home / "runs" / "run").glob(pattern)):
            assert running.poll() is None, running.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.kill()


def trained(home: Path) -> dict[str, TrainedRun]:
    root = home / "runs" / "run"
    return {str(path.relative_to(root)): read_trained(path) for path in sorted(root.rglob("*.safetensors"))}


def differing(one: dict[str, TrainedRun], other: dict[str, TrainedRun]) -> list[str]:
    """Files of which any bit differs."""
    assert one.keys() == other.keys()
    return [
        name
        for name, run in one.items()
        if run.history != other[name].history
        or any(not (tensor == other[name].weights[key]).all() for key, tensor in run.weights.items())
    ]


@pytest.mark.faults
def test_a_killed_job_that_ends_on_two_workers_has_the_bits_of_an_undisturbed_one_in_a_single_process(
    tmp_path: Path,
) -> None:
    undisturbed, disturbed, elsewhere = (tmp_path / name for name in ("undisturbed", "disturbed", "elsewhere"))
    finish(undisturbed, LOCAL, processor=everywhere())

    kill_when("checkpoints/prompt-label-*", disturbed, LOCAL)
    said = finish(disturbed, "execution.workers=2", processor=everywhere())
    assert "resumed at epoch" in said and "may differ" not in said
    assert differing(trained(undisturbed), trained(disturbed)) == []

    finish(elsewhere, LOCAL, processor={})
    assert differing(trained(undisturbed), trained(elsewhere)), "the stand-in did nothing"
