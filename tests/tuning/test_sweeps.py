"""Whole sweeps on a local Ray: what they leave, how they go on, and that a bad trial stops nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import optuna
import pytest
from optuna.trial import TrialState
from tuning_material import a_space, arguments, space_file, study_of

from jobs import full_pipeline, predict, tune
from spg_dist.config import Config, parse_config
from spg_dist.distributed.session import ray_session
from spg_dist.evaluation.results import read_results
from tuning.folder import SweepFolder
from tuning.search import StopsAtFault, StudySearcher
from tuning.spaces import field_of

SPACE = "stage2.dropout: {low: 0.0, high: 0.6}\nstage1.learning_rate: {choices: [2.0e-3, 2.0e-2]}\n"


@pytest.fixture(scope="module", autouse=True)
def ray_for_all(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        with ray_session():
            yield


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        tune.main(given)
    assert stopped.value.code == 1
    return capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_leaves_its_table_its_study_and_a_configuration_that_runs(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*arguments(images, home, "name=whole"), f"tune.space={space_file(tmp_path, SPACE)}"]
    tune.main([*given, "tune.trials=3", "tune.concurrent=2"])
    sweep = home / "sweeps" / "whole"
    printed = capsys.readouterr().out
    assert "0 images encoded" in printed
    assert "0 (defaults)" in printed

    found = rows(sweep)
    assert [row["trial"] for row in found] == ["0", "1", "2"]
    assert {row["state"] for row in found} == {"completed"}
    assert found[0]["stage2.dropout"] == "0.4"
    study = optuna.load_study(study_name="whole", storage=f"sqlite:///{sweep / 'study.db'}")
    assert study.best_value == max(float(row["val_accuracy"]) for row in found)

    best: Config = parse_config(["--config", str(sweep / "best.yaml")], "test")
    assert best.tune.trials == 0
    assert field_of(best, "stage2.dropout") == study.best_params["stage2.dropout"]
    assert best.seeds == [1, 2]
    assert not (sweep / "trials").exists() or not list((sweep / "trials").iterdir())
    assert not (sweep / "ray-tune").exists()

    image = next((images / "photo").rglob("*.png"))
    predict.main(str(sweep / "final/best"), str(image), "photo", output=str(tmp_path / "predictions.csv"))
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as stream:  # a sweep trains SPG alone
        assert [row["method"] for row in csv.DictReader(stream)] == ["zero-shot", "zero-shot-ensemble", "spg"]

    before = [(row["trial"], row["val_accuracy"]) for row in found]
    features = {path: path.stat().st_mtime_ns for path in (home / "cache").rglob("*.arrow")}
    tune.main([*given, "tune.trials=4"])
    assert "3 of 4 trials finished before" in capsys.readouterr().out
    assert [(row["trial"], row["val_accuracy"]) for row in rows(sweep)][:3] == before
    assert len(rows(sweep)) == 4
    assert {path: path.stat().st_mtime_ns for path in (home / "cache").rglob("*.arrow")} == features, "it encoded"

    message = refused([*given, "tune.trials=4", "stage2.epochs=5"], capsys)
    assert "stage2.epochs is 4 there and 5 here" in message
    message = refused([*given, "tune.trials=4", "seeds=[1]"], capsys)
    assert "seeds is [1, 2] there and [1] here" in message


@pytest.mark.slow
def test_a_given_configuration_that_diverges_is_recorded_and_the_others_go_on(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, "stage2.learning_rate: {choices: [1.0e+30, 1.0e-3]}")
    settings = ("name=diverging", "seeds=[1]", f"tune.space={space}", "tune.trials=3", "tune.algorithm=grid")
    tune.main([*arguments(images, home, *settings), "stage2.learning_rate=1e30"])
    printed = capsys.readouterr().out
    assert (
        "warning: the given configuration itself failed, so it is left out of the final test: TrainingDiverged"
        in printed
    )
    page = (home / "sweeps/diverging/report.html").read_text(encoding="utf-8")
    assert "The given configuration itself failed" in page
    found = {row["stage2.learning_rate"]: row for row in rows(home / "sweeps" / "diverging")}
    assert {row["state"] for rate, row in found.items() if rate != "1e+30"} == {"completed"}
    failed = found["1e+30"]
    assert failed["state"] == "failed"
    assert "TrainingDiverged: spg" in failed["reason"]
    assert "failed: TrainingDiverged: spg" in printed
    storage = f"sqlite:///{home / 'sweeps/diverging/study.db'}"
    (trial,) = (t for t in optuna.load_study(study_name="diverging", storage=storage).trials if not t.values)
    assert "Traceback (most recent call last)" in trial.user_attrs["traceback"]


@pytest.mark.slow
def test_a_sweep_without_a_single_success_says_why(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, "stage2.learning_rate: {choices: [1.0e+30, 1.0e+31]}")
    settings = ("name=hopeless", "seeds=[1]", f"tune.space={space}", "tune.trials=2", "stage2.learning_rate=1e30")
    message = refused(arguments(images, home, *settings), capsys)
    assert "none of 2 trials was completed" in message
    assert "training diverged" in message


@pytest.mark.slow
def test_a_fault_of_the_machine_ends_the_sweep_and_its_trial_is_handed_out_again(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(images, home, "name=faulty", "seeds=[1]", "tune.trials=3", "tune.concurrent=1")
    given.append(f"tune.space={space_file(tmp_path, SPACE)}")
    in_the_way = home / "sweeps/faulty/trials/2"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    message = refused(given, capsys)
    assert message.startswith("\nerror: trial 2: ") and str(in_the_way) in message and "this one resumes" in message
    assert "Traceback" not in message
    storage = f"sqlite:///{home / 'sweeps/faulty/study.db'}"
    states = [trial.state for trial in optuna.load_study(study_name="faulty", storage=storage).trials]
    assert states == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.RUNNING]

    in_the_way.unlink()
    tune.main(given)
    assert "2 of 3 trials finished before" in capsys.readouterr().out
    assert [row["state"] for row in rows(home / "sweeps" / "faulty")] == ["completed"] * 3


def test_a_trial_whose_process_dies_leaves_all_that_are_under_way_to_the_next_job(
    tmp_path: Path, config: Config
) -> None:
    study = study_of(tmp_path / "study.db", a_space(tmp_path, config), config)
    searcher = StudySearcher(study, SweepFolder(tmp_path), changed=lambda number: None)
    for trial_id in ("dies", "is stopped"):
        searcher.suggest(trial_id)
    searcher.on_trial_complete("dies", error=True)
    assert StopsAtFault(searcher).stop_all() and "trial 0: its process died" in searcher.fault
    searcher.on_trial_complete("is stopped", {"epochs": 1, "val_accuracy": 50.0})
    assert searcher.suggest("another") is None
    assert [trial.state for trial in study.trials()] == [TrialState.RUNNING] * 2


@pytest.mark.faults
def test_early_stopping_ends_trials_before_their_last_epoch(images: Path, home: Path, tmp_path: Path) -> None:
    space = space_file(tmp_path, "stage2.learning_rate: {choices: [2.0e-3, 1.0e-9, 1.0e-8, 1.0e-7]}")
    asha = ("tune.asha.enabled=true", "tune.asha.first_epochs=2", "tune.asha.reduction=4")
    settings = ("name=early", "seeds=[1]", f"tune.space={space}", "tune.trials=4", "tune.algorithm=grid", *asha)
    tune.main(arguments(images, home, *settings, "stage2.epochs=30"))
    study = optuna.load_study(study_name="early", storage=f"sqlite:///{home / 'sweeps/early/study.db'}")
    assert study.trials[0].state == TrialState.COMPLETE
    stopped = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert all(trial.last_step in (2, 8) for trial in stopped)
    worse = [
        trial for trial in study.trials[1:] if trial.intermediate_values[2] < study.trials[0].intermediate_values[2]
    ]
    assert stopped == worse


@pytest.mark.slow
def test_the_full_pipeline_trains_what_the_sweep_chose_and_goes_on_when_run_again(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, SPACE)
    given = arguments(images, home, "name=piped", "methods=[spg]", f"tune.space={space}", "tune.trials=2")
    full_pipeline.main(given)
    printed = capsys.readouterr().out
    assert "6 runs, 6 of them finished before" in printed.split("== stage 2")[1], "the sweep had trained them"
    run, best = home / "runs" / "piped", home / "sweeps" / "piped" / "best.yaml"
    assert (run / "config.yaml").read_text() == best.read_text()
    first = (run / "results.csv").read_bytes()
    full_pipeline.main(given)
    assert "2 of 2 trials finished before" in capsys.readouterr().out
    full_pipeline.main(["--config", str(best)])
    assert "6 runs, 6 of them finished before" in capsys.readouterr().out
    assert len(read_results(run / "results.csv")) == 6
    assert [line.split(b",")[:8] for line in (run / "results.csv").read_bytes().splitlines()] == [
        line.split(b",")[:8] for line in first.splitlines()
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("tune.trials=0",), "tune.trials is 0"),
        (("tune.trials=5", "execution.backend=local"), "a sweep runs on Ray"),
        (("tune.trials=5", "selection=oracle"), "looks at the targets"),
        (("tune.trials=5", "methods=[coop]"), "the sweep is for spg"),
        (("tune.trials=5", "tune.space=gam"), "did you mean 'gan'"),
        (("tune.trials=5", "tune.folder=/proc/nowhere"), "cannot be made or written"),
        (("tune.trials=5", "tune.algorithm=grid"), "tune.algorithm is grid"),
        (("tune.trials=5", "tune.space=prompt", "prompt_labels=/labels"), "searches stage 1"),
    ],
)
def test_nonsense_is_one_error_before_any_work(
    images: Path, home: Path, settings: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(arguments(images, home, "name=nonsense", *settings), capsys)
    assert message in said
    assert "Traceback" not in said
    assert not (home / "sweeps" / "nonsense").exists()


def test_a_prompt_that_cannot_be_trained_is_named_before_the_first_trial(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, "stage1.n_ctx: {choices: [4, 6]}")
    settings = ("name=unlike", f"tune.space={space}", "tune.trials=2")
    assert "has 4 tokens, but n_ctx is 6" in refused(arguments(images, home, *settings), capsys)
    assert not (home / "sweeps" / "unlike").exists()


@pytest.mark.parametrize("job", [tune, full_pipeline])
def test_a_sweep_that_is_refused_after_its_plan_leaves_no_folder(
    images: Path, home: Path, job: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(images, home, "name=unknown-target", "targets=[skech]", "tune.trials=2")
    with pytest.raises(SystemExit):
        job.main(given)
    assert "'skech'" in capsys.readouterr().err
    assert not (home / "sweeps" / "unknown-target").exists() and not (home / "runs" / "unknown-target").exists()
