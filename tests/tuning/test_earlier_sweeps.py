"""A sweep of version 0.1.0, as its users have it on disk, is continued by this version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs import tune
from spg_dist.distributed.session import ray_session

VERSION = Path(__file__).resolve().parents[1] / "fixtures" / "version-0.1.0"
AS_THEN = [
    "data.dataset=folder",
    "data.root=photos",
    "clip.device=cpu",
    "encode.views=1",
    "seeds=[1]",
    "targets=[sketch,art]",
    "methods=[zero-shot,coop,spg]",
    "stage1.epochs=3",
    "stage1.batch_size=8",
    "stage2.epochs=3",
    "stage2.batch_size=8",
    "stage2.g_widths=[16,24]",
    "stage2.d_width=16",
    "tune.space=space.yaml",
    "name=sweep",
]


@pytest.mark.faults
def test_a_finished_sweep_trains_nothing_and_is_reported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(VERSION, tmp_path / "home")
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    sweep = tmp_path / "home" / "sweeps" / "sweep"
    before = {path: path.read_bytes() for path in sweep.rglob("*.safetensors")}
    with ray_session():
        tune.main([*AS_THEN, "tune.trials=3"])
    said = capsys.readouterr().out
    assert "3 of 3 trials finished before" in said
    assert {path: path.read_bytes() for path in sweep.rglob("*.safetensors")} == before
    assert (sweep / "report.html").exists()
    assert (sweep / "trials.csv").read_text() == (VERSION / "sweeps" / "sweep" / "trials.csv").read_text()
