"""Runs and sweeps of version 0.1.0, as its users have them on disk: read, resumed, or refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from experiment_material import SETTINGS, CountsEpochs, run

from spg_dist import __version__
from spg_dist.evaluation.results import read_results
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.processor import processor
from spg_dist.training.loop import read_trained

VERSION = Path(__file__).resolve().parents[2] / "fixtures" / "version-0.1.0"
AS_THEN = [*SETTINGS, "data.root=photos", "targets=[sketch,art]", "methods=[zero-shot,coop,spg]", "encode.views=1"]


@pytest.fixture
def then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home folder of version 0.1.0."""
    shutil.copytree(VERSION, tmp_path / "home")
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


def again(then: Path, name: str, *settings: str) -> tuple[RunFolder, CountsEpochs]:
    """The command of then, with this version."""
    display = CountsEpochs()
    run([*AS_THEN, f"name={name}", *settings], display)
    return RunFolder(then / "runs" / name), display


@pytest.mark.parametrize("threads", ["execution.cpus_per_worker=1", "execution.cpus_per_worker=2"])
@pytest.mark.parametrize("name", ["finished", "two-threads"])
def test_a_finished_run_is_kept_with_any_number_of_threads(then: Path, name: str, threads: str) -> None:
    before = files(then / "runs" / name)
    folder, display = again(then, name, threads)
    said = display.text.getvalue()
    assert display.epochs == 0
    assert "6 runs, 6 of them finished before" in said and "2 runs, 2 of them finished before" in said
    assert "0 features encoded" in said
    assert files(folder.root) == before
    former = {row.key: row for row in read_results(VERSION / "runs" / name / "results.csv")}
    now = {row.key: row for row in read_results(folder.results)}
    assert now.keys() == former.keys()
    for key, row in now.items():  # what SPG draws in the test is drawn otherwise since
        assert row.val_accuracy == former[key].val_accuracy
        assert row.method == "spg" or row.accuracy == former[key].accuracy


@pytest.mark.parametrize(("name", "method"), [("killed-in-stage-1", "prompt-label"), ("killed-in-stage-2", "spg")])
def test_a_killed_run_is_resumed_and_says_what_may_differ(then: Path, name: str, method: str) -> None:
    checkpoints = list((VERSION / "runs" / name / "checkpoints").iterdir())
    folder, display = again(then, name)
    said = display.text.getvalue()
    changed = f"its last bits may differ from those of an undisturbed run (version: 0.1.0 then, {__version__} now)"
    assert said.count(": resumed at epoch") == said.count(changed) == len(checkpoints)
    for checkpoint in checkpoints:
        domain = checkpoint.stem.removeprefix(f"{method}-").removesuffix("-seed1")
        run_of = read_trained(folder.artifact(RunSpec(method, domain, 1)))
        assert [sitting.version for sitting in run_of.provenance] == ["0.1.0", __version__]
        assert len(run_of.history) == 3
        assert run_of.network == ({"generator": "mlp", "prompt_shape": [4, 64]} if method == "spg" else {})
    places = {row.trained_on for row in read_results(folder.results) if row.method == "spg"}
    before = "a processor that was not recorded, then " if method == "spg" else ""
    assert places == {f"{before}{processor()}, 1 thread"}
