"""The entry points, run in this process on a small drawn data set."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jobs import encode, evaluate, full_pipeline, predict, train
from spg_dist import cli
from spg_dist.evaluation.results import read_results

SETTINGS = [
    "execution.backend=local",
    "data.images_per_class=6",
    "targets=[sketch]",
    "seeds=[1]",
    "stage1.epochs=2",
    "coop.epochs=2",
    "stage2.epochs=2",
]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a finished run "whole"."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(folder))
        full_pipeline.main([*SETTINGS, "name=whole"])
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPG_HOME", str(home))


def test_a_run_leaves_the_files_that_the_design_names(home: Path) -> None:
    run = home / "runs" / "whole"
    present = {path.name for path in run.iterdir()}
    assert {"config.yaml", "results.csv", "summary.md", "report.html", "prompt_labels", "generators"} <= present
    assert list((run / "tensorboard").rglob("events.out.tfevents.*"))
    assert len(list((run / "prompt_labels").iterdir())) == 3, "the target's label is not even trained"
    methods = {row.method for row in read_results(run / "results.csv")}
    assert methods == {"zero-shot", "zero-shot-ensemble", "coop", "spg"}


def test_a_second_run_encodes_and_trains_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    full_pipeline.main([*SETTINGS, "name=whole"])
    printed = capsys.readouterr().out
    assert "0 features encoded" in printed
    assert "4 runs, 4 of them finished before" in printed
    assert "1 runs, 1 of them finished before" in printed


def test_another_run_reuses_the_features_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    encode.main([*SETTINGS, "name=other"])
    assert "0 features encoded, 192 reused" in capsys.readouterr().out


def test_a_relative_data_folder_is_taken_from_home_and_not_from_where_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # as a Ray job runs in a copy of the checkout
    encode.main([*SETTINGS, "name=relative", "data.dataset=folder", "data.root=data/drawn-6"])
    assert "0 features encoded, 192 reused" in capsys.readouterr().out


def test_train_then_evaluate_gives_the_results_of_the_full_pipeline(home: Path) -> None:
    train.main([*SETTINGS, "name=in-steps"])
    evaluate.main([*SETTINGS, "name=in-steps"])
    whole, steps = (read_results(home / "runs" / name / "results.csv") for name in ("whole", "in-steps"))
    assert [(r.key, r.accuracy, r.val_accuracy) for r in whole] == [(r.key, r.accuracy, r.val_accuracy) for r in steps]


def test_evaluate_before_training_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate.main([*SETTINGS, "name=untrained"])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "spg sketch seed 1" in message or "prompt-label" in message
    assert "jobs/train.py" in message


def test_predict_needs_no_data_set_and_lists_what_it_cannot_read(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    source = next((home / "data").glob("drawn-6/photo/*/000.png"))
    (images / "good.png").write_bytes(source.read_bytes())
    (images / "empty.png").touch()
    predict.main(
        run=str(home / "runs" / "whole"), images=str(images), target="sketch", output=str(tmp_path / "out.csv")
    )
    with (tmp_path / "out.csv").open() as stream:
        found = list(csv.DictReader(stream))
    assert [(Path(row["image"]).name, row["method"]) for row in found] == [
        ("empty.png", ""),
        *(("good.png", method) for method in ("zero-shot", "zero-shot-ensemble", "coop", "spg")),
    ]
    rows = {Path(row["image"]).name: row for row in found}
    assert rows["good.png"]["predicted"] in (home / "runs" / "whole" / "classes.txt").read_text().splitlines()
    assert 1 / 8 < float(rows["good.png"]["probability"]) <= 1, "the best of 8 classes"
    assert rows["empty.png"]["predicted"] == rows["empty.png"]["probability"] == ""
    assert rows["empty.png"]["set_aside"]
    assert (
        "classified 1 of 2 images by zero-shot, zero-shot-ensemble, coop, spg; 1 could not be read"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("target", "methods", "message"),
    [
        ("photo", None, "no coop for target 'photo', seed 1; it has: sketch --seed 1"),
        ("photo", ["spg"], "no spg for target 'photo', seed 1; it has: sketch --seed 1"),
        ("sketch", ["dpl"], "has no method 'dpl': it has zero-shot, zero-shot-ensemble, coop, spg"),
    ],
)
def test_predict_names_what_there_is(
    home: Path, tmp_path: Path, target: str, methods: list[str] | None, message: str
) -> None:
    run, images, output = (str(place) for place in (home / "runs" / "whole", home / "data", tmp_path / "o"))
    with pytest.raises(ValueError, match=message):
        predict.main(run, images, target, output=output, methods=methods)


@pytest.mark.parametrize("output", ["/proc/out.csv", "/no/such/folder/out.csv", "/tmp"])
def test_predict_refuses_a_place_where_it_cannot_write_before_it_works(home: Path, output: str) -> None:
    with pytest.raises(ValueError, match=f"--output {output}"):
        predict.main(run=str(home / "runs" / "whole"), images=str(home / "data"), target="sketch", output=output)


def test_the_story_is_read_in_under_80_lines() -> None:
    assert len((REPOSITORY / "jobs" / "full_pipeline.py").read_text().splitlines()) < 80


def test_data_check_exits_with_status_1_for_a_folder_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["data", "check", "/no/such/folder"])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "/no/such/folder does not exist" in message and "auto" not in message


def test_a_folder_without_caches_is_told_from_one_that_holds_other_things(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["cache", "ls", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no cache yet\n"
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(SystemExit) as stopped:
        cli.main(["cache", "ls", str(tmp_path)])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert f"{tmp_path} is no cache root: it holds holiday.jpg" in message and "cache.root" in message


def test_data_check_shows_the_published_counts(shared_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(shared_dir / "pacs-mini")]) == 0
    printed = capsys.readouterr().out
    for count in ("2,048", "2,344", "1,670", "3,929"):
        assert count in printed


def test_the_cache_of_a_run_is_listed_verified_and_repaired(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(home / "feature-cache")
    for command in (["ls", root], ["verify", root]):
        assert cli.main(["cache", *command]) == 0
    assert "drawn, tiny-rn (embedded weights)" in capsys.readouterr().out


def test_a_damaged_cache_names_the_command_that_mends_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "feature-cache"
    shutil.copytree(home / "feature-cache", damaged)
    shard = max(damaged.rglob("*.arrow"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    settings = [*SETTINGS, "name=damaged", f"cache.root={damaged}"]

    with pytest.raises(SystemExit):
        full_pipeline.main(settings)
    message = capsys.readouterr().err
    mend = re.search(r"spg-dist (cache repair \S+ \w+)", message)
    assert mend is not None, message
    assert cli.main(mend[1].split()) == 0
    full_pipeline.main(settings)
    assert "1 features encoded" in capsys.readouterr().out


def test_a_job_runs_as_a_script_from_any_folder(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "jobs" / "encode.py"), "--print-config", *SETTINGS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "images_per_class: 6" in done.stdout


@pytest.mark.parametrize("job", [train, evaluate])
def test_a_job_that_makes_no_sweep_refuses_trials(job: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        job.main([*SETTINGS, "name=swept", "tune.trials=3"])
    assert stopped.value.code == 2
    assert "run jobs/tune.py, then" in capsys.readouterr().err
