"""`make tune-demo` submits a sweep to a Ray head of its own, and leaves the sweep's files where they were asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.faults
def test_a_sweep_submitted_as_a_ray_job_leaves_its_files(tmp_path: Path) -> None:
    small = [
        "data.images_per_class=4",
        "seeds=[1]",
        "stage1.epochs=1",
        "stage2.epochs=2",
        "tune.trials=2",
        "tune.concurrent=1",
    ]
    done = subprocess.run(
        [sys.executable, "jobs/tune_demo.py", "name=as-a-job", "tune.asha.enabled=false", *small],
        cwd=REPOSITORY,
        env={**os.environ, "SPG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ray job submit --working-dir . -- python jobs/tune.py name=tune-demo" in done.stdout
    assert "2 of 2 trials" in done.stdout
    sweep = tmp_path / "sweeps" / "as-a-job"
    assert {"report.html", "trials.csv", "best.yaml", "study.db"} <= {path.name for path in sweep.iterdir()}
