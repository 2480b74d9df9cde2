"""`full_pipeline.py --plan` says what the same command without it then does, and does none of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import open_clip
import pytest
import torch
from drawn_material import draw_images
from experiment_material import Interrupted, StopsAt, arguments, run
from safetensors.torch import save_file

from cache import digest_index
from cache.digest_index import RACY_NS
from jobs import full_pipeline
from spg_dist.pipeline import prepare

METHODS = "methods=[zero-shot,coop,spg]"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command of its own: its cache and run are not there yet, and nothing is remembered."""
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return arguments(draw_images(tmp_path / "set"), tmp_path / "home", "name=planned", METHODS, "encode.views=1")


def planned(given: list[str], capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    full_pipeline.main([*given, "--plan", *more])
    return capsys.readouterr().out


def test_before_the_first_run_all_is_to_be_done_and_nothing_is_written(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = planned(given, capsys)
    assert re.search(r"encode: 90 of 90 features, 0\.0 MB; about .* in the image tower", said)  # 54 plain, 36 to train
    assert "stage 1: coop: 3 runs of 2 epochs, 0 finished\n" in said
    assert "stage 1: prompt-label: 3 runs of 3 epochs, 0 finished\n" in said
    assert "stage 2: spg: 3 runs of 3 epochs, 0 finished\n" in said
    assert "test: 9 runs on their targets" in said
    assert not (tmp_path / "home" / "runs").exists()
    kept = {path.parent.name for path in (tmp_path / "home").rglob("*.arrow")}
    assert kept <= {"digests"}, "no feature: digests of what was read are all that may be kept"


def test_after_a_run_nothing_is_left_and_other_settings_leave_what_they_change(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(given)
    said = planned(given, capsys)
    assert "encode: nothing, all 90 features are in the cache" in said
    assert re.findall(r"(\d) runs of \d epochs, (\d) finished", said) == [("3", "3")] * 3
    said = planned(given, capsys, "seeds=[1,2]")
    assert re.findall(r"(\d) runs of \d epochs, (\d) finished; about .* for the others", said) == [("6", "3")] * 3


def test_a_stopped_run_is_to_resume(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted):
        run(given, StopsAt("spg art", 2))
    said = planned(given, capsys)
    assert "stage 1: prompt-label: 3 runs of 3 epochs, 3 finished\n" in said
    assert "stage 2: spg: 3 runs of 3 epochs, 0 finished, 3 to resume\n" in said


def test_what_the_job_would_refuse_the_plan_refuses(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in {
        "targets=[nowhere]": "domain 'nowhere' is not in set",
        "stage1.n_ctx=3": "stage1: initial_text 'a photo of a' has 4 tokens",
        "stage2.generator=lineer": "there is no generator 'lineer'",
    }.items():
        with pytest.raises(SystemExit):
            planned(given, capsys, wrong)
        assert said in capsys.readouterr().err
    run(given)
    with pytest.raises(SystemExit):
        planned(given, capsys, "stage2.dropout=0.1")
    assert "stage2.dropout is 0.4 there and 0.1 here" in capsys.readouterr().err


def test_a_second_plan_loads_no_weights_and_reads_no_image(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = time.time() - 60
    for image in (tmp_path / "set").rglob("*.png"):  # what changed within the clock's grain is not remembered
        os.utime(image, (old, old))
    time.sleep(RACY_NS / 1e9)
    first = planned(given, capsys)
    assert "reading the weights" in first and "digesting files" in first

    def never(*_: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(prepare, "loaded_clip", never)
    monkeypatch.setattr(digest_index, "digest_file", never)
    second = planned(given, capsys)
    assert "reading the weights" not in second and "encode: 90 of 90 features" in second
    lines = [line for line in first.splitlines() if line.startswith(("stage", "test", "CLIP"))]
    assert [line for line in second.splitlines() if line.startswith(("stage", "test", "CLIP"))] == lines
    job = Path(full_pipeline.__file__)  # and as people run it: in a process that has loaded nothing before
    third = subprocess.run([sys.executable, str(job), *given, "--plan"], capture_output=True, text=True, check=True)
    assert "reading the weights" not in third.stdout and "encode: 90 of 90 features" in third.stdout


def test_other_weights_at_the_same_place_are_read_again(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.safetensors"
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = open_clip.create_model("tiny-rn").state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, str(path))
        said = planned(given, capsys, "clip.model=tiny-rn", f"clip.pretrained={path}")
        assert "reading the weights" in said
    assert len(list((tmp_path / "home" / "clip-cards").glob("*.json"))) == 2


def test_a_home_that_takes_no_card_stops_neither_job_nor_plan(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "clip-cards").write_text("in the way of the folder")
    run(given)
    assert "reading the weights" in planned(given, capsys)
