"""A method of an installed package: in --help, trained by Ray workers, in the table, and searched by a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from drawn_material import draw_images
from experiment_material import arguments

from spg_dist.evaluation.results import read_results

REPOSITORY = Path(__file__).resolve().parents[2]
SPACE = "their_mean.shrink: {choices: [0.0, 0.5]}\n"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of packages with one that has an entry point, as pip leaves it."""
    site = tmp_path / "site"
    text = (REPOSITORY / "examples" / "nearest_mean.py").read_text(encoding="utf-8")
    text = text.replace("nearest-mean", "their-mean").replace("nearest_mean", "their_mean")
    info = site / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "theirs.py").write_text(text, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spg_dist.methods]\ntheir-mean = theirs:METHOD\n")
    return site


def job(site: Path, *given: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, str(REPOSITORY / "jobs" / "full_pipeline.py"), *given]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)


def test_its_settings_stand_in_the_help(installed: Path) -> None:
    assert "--their_mean.shrink" in job(installed, "--help").stdout


@pytest.mark.slow
def test_it_is_searched_trained_on_ray_and_stands_in_the_table(installed: Path, tmp_path: Path, home: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    given = arguments(draw_images(tmp_path / "set", each=6), home, "name=theirs", f"tune.folder={home / 'sweeps'}")
    sweep = ("tune.trials=2", "tune.method=their-mean", f"tune.space={space}", "tune.algorithm=grid")
    said = job(
        installed, *given, *sweep, "methods=[zero-shot,their-mean]", "execution.backend=ray", "execution.workers=1"
    ).stdout
    rows = read_results(home / "runs" / "theirs" / "results.csv")
    assert {(row.method, row.target) for row in rows} >= {("their-mean", name) for name in ("art", "photo", "sketch")}
    assert "2 of 2" in said
    best = yaml.safe_load((home / "sweeps" / "theirs" / "best.yaml").read_text(encoding="utf-8"))
    assert best["their_mean"]["shrink"] in (0.0, 0.5)
