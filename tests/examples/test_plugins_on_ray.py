"""Plugins of every kind in one job on Ray: the workers get them with their work, not from a folder that they share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_material import draw_images
from experiment_material import arguments

from spg_dist.evaluation.results import read_results

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("nearest_mean.py", "linear_generator.py", "safetensors_store.py")


@pytest.mark.slow
def test_a_method_a_network_and_a_store_work_together(tmp_path: Path, home: Path) -> None:
    mine = tmp_path / "files of mine"
    mine.mkdir()
    for name in FILES:
        shutil.copy(REPOSITORY / "examples" / name, mine)
    given = [
        *arguments(draw_images(tmp_path / "set", each=6), home, "name=mine", "targets=[sketch]"),
        *(f"plugins=[{','.join(str(mine / name) for name in FILES)}]", "methods=[zero-shot,nearest-mean,spg]"),
        *("stage2.generator=linear", "stage2.g_widths=[128,256,512,1024]", "cache.store=safetensors"),
        *("execution.backend=ray", "execution.workers=2"),
    ]
    command = [sys.executable, str(REPOSITORY / "jobs" / "full_pipeline.py"), *given]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_results(home / "runs" / "mine" / "results.csv")
    assert {row.method for row in rows} == {"zero-shot", "nearest-mean", "spg"}
    assert list((home / "cache").rglob("*.safetensors"))
