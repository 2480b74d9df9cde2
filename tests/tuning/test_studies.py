"""The study remembers everything: what was tried, how it went, and what was running when the sweep was killed."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from tuning_material import a_space, study_of, told

from spg_dist.config import Config
from spg_dist.config.tune import AshaConfig, TuneConfig
from tuning import storage
from tuning.storage import storage_errors
from tuning.study import Asked, SweepStudy, rungs
from tuning.trial import TrialOutcome


def outcome(asked: Asked) -> TrialOutcome:
    """A smooth objective with its best at dropout 0.1."""
    value = 80 - 100 * abs(asked.values["stage2.dropout"] - 0.1)
    return TrialOutcome(value, None, {"sketch": value}, cost_seconds=asked.values["stage2.batch_size"])


def run_all(study: SweepStudy, trials: int) -> None:
    for _ in range(trials):
        asked = study.ask()
        study.complete(asked.number, outcome(asked))


def with_tune(config: Config, **settings: object) -> Config:
    return replace(config, tune=replace(config.tune, **settings))


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2", "random", "grid"])
def test_trial_0_is_the_configuration_itself(tmp_path: Path, config: Config, algorithm: str) -> None:
    text = "stage2.dropout: {choices: [0.1, 0.4]}\nstage2.batch_size: {low: 7, high: 9}"
    config = with_tune(config, algorithm=algorithm)
    asked = study_of(tmp_path / "s.db", a_space(tmp_path, config, text), config).ask()
    assert asked == Asked(0, {"stage2.dropout": 0.4, "stage2.batch_size": 8})


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2", "random"])
def test_a_study_that_is_opened_again_goes_on_as_it_would_have(tmp_path: Path, config: Config, algorithm: str) -> None:
    config = with_tune(config, algorithm=algorithm, trials=14)
    space = a_space(tmp_path, config)
    whole = study_of(tmp_path / "whole.db", space, config)
    run_all(whole, 14)
    for trials in (1, 6, 7):
        run_all(study_of(tmp_path / "parts.db", space, config), trials)
    assert told(study_of(tmp_path / "parts.db", space, config).trials()) == told(whole.trials())
    if algorithm != "nsga2":  # whose children may be like a parent
        assert len({str(trial.params) for trial in whole.trials()}) == 14, "a draw was repeated"


def test_a_trial_that_was_running_is_handed_out_again(tmp_path: Path, config: Config) -> None:
    space = a_space(tmp_path, config)
    killed = study_of(tmp_path / "s.db", space, config)
    run_all(killed, 1)
    first, second = killed.ask(), killed.ask()
    killed.report(first.number, 1, 50.0)

    again = study_of(tmp_path / "s.db", space, config)
    assert [again.ask(), again.ask()] == [first, second]
    again.report(first.number, 1, 50.0)  # a resumed trial reports its former epochs again
    again.complete(first.number, outcome(first))
    again.complete(second.number, outcome(second))
    assert again.ask().number == 3
    assert again.finished == 3


def test_tpe_finds_better_than_the_defaults(tmp_path: Path, config: Config) -> None:
    config = with_tune(config, trials=40)
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    run_all(study, 40)
    best = study.best()
    assert best is not None and best.number > 0
    assert best.params["stage2.dropout"] == pytest.approx(0.1, abs=0.05)


def test_nsga2_has_accuracy_and_cost_as_objectives(tmp_path: Path, config: Config) -> None:
    config = with_tune(config, algorithm="nsga2", trials=30)
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    run_all(study, 30)
    front = study.study.best_trials
    assert len(front) > 1
    assert study.best() in front
    assert all(trial.values[1] == trial.params["stage2.batch_size"] for trial in front)


def test_the_best_of_equals_is_the_first(tmp_path: Path, config: Config) -> None:
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    for _ in range(3):
        study.complete(study.ask().number, TrialOutcome(70.0, None, {}, 1.0))
    best = study.best()
    assert best is not None and best.number == 0


def test_a_grid_tries_every_point_once(tmp_path: Path, config: Config) -> None:
    config = with_tune(config, algorithm="grid", trials=100)
    text = "stage2.dropout: {choices: [0.1, 0.4]}\nstage2.batch_size: {low: 7, high: 9}"
    space = a_space(tmp_path, config, text)
    run_all(study_of(tmp_path / "s.db", space, config), 2)
    study = study_of(tmp_path / "s.db", space, config)
    assert study.total == 6
    run_all(study, 4)
    points = {tuple(trial.params.values()) for trial in study.trials()}
    assert points == {(dropout, size) for dropout in ("0.1", "0.4") for size in (7, 8, 9)}


def test_a_grid_over_real_numbers_is_refused(tmp_path: Path, config: Config) -> None:
    config = with_tune(config, algorithm="grid")
    with pytest.raises(ValueError, match=r"stage2\.learning_rate: tune\.algorithm is grid"):
        study_of(tmp_path / "s.db", a_space(tmp_path, config), config)


def test_asha_stops_what_falls_behind_but_never_the_defaults(tmp_path: Path, config: Config) -> None:
    config = with_tune(config, asha=AshaConfig(enabled=True, first_epochs=2, reduction=2), trials=10)
    space = a_space(tmp_path, config)
    study = study_of(tmp_path / "s.db", space, config)
    defaults, good, bad = (study.ask().number for _ in range(3))
    assert not study.report(good, 1, 1.0), "judged before its first epochs are over"
    assert not study.report(good, 2, 70.0)
    assert not study.report(defaults, 2, 10.0)
    assert study.report(bad, 2, 20.0)
    study.stop(bad)

    again = study_of(tmp_path / "s.db", space, config)  # its rungs outlive the process
    again.ask(), again.ask()
    late = again.ask().number
    assert again.trials()[bad].state == TrialState.PRUNED
    assert again.report(late, 2, 30.0)


def test_epochs_are_judged_at_powers_of_the_reduction() -> None:
    asha = AshaConfig(enabled=True, first_epochs=5, reduction=3)
    assert rungs(asha, 70) == {5, 15, 45}
    assert rungs(asha, 45) == {5, 15}, "behind the last epoch there is nothing to stop"
    assert rungs(replace(asha, enabled=False), 70) == set()


def test_a_failure_is_kept_with_its_reason_and_traceback(tmp_path: Path, config: Config) -> None:
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    study.fail(study.ask().number, "ZeroDivisionError: by zero", "Traceback ...")
    (failed,) = study.trials()
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs == {"reason": "ZeroDivisionError: by zero", "traceback": "Traceback ..."}
    assert study.best() is None
    assert study.finished == 1


def test_optunas_own_tools_open_the_file(tmp_path: Path, config: Config) -> None:
    run_all(study_of(tmp_path / "s.db", a_space(tmp_path, config), config), 3)
    loaded = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 's.db'}")
    assert len(loaded.get_trials()) == 3
    assert loaded.best_trial.user_attrs["by_target"] == {"sketch": loaded.best_value}


def test_early_stopping_is_refused_beside_two_objectives() -> None:
    with pytest.raises(ValueError, match=r"algorithm is nsga2 and asha\.enabled is true"):
        TuneConfig(algorithm="nsga2", asha=AshaConfig(enabled=True))


ODD_NAMES = ["w?x", "100%", "a%20b", "c#d", "sp ace", "x&y=1", "Ü", "it's", "semi;colon"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_study_lies_in_its_own_folder_whatever_its_name(tmp_path: Path, config: Config, name: str) -> None:
    (tmp_path / name).mkdir()
    study_of(tmp_path / name / "study.db", a_space(tmp_path, config), config)
    assert [path.name for path in tmp_path.rglob("study.db*")] == ["study.db"]
    assert (tmp_path / name / "study.db").is_file()


def test_a_study_that_another_program_holds_is_waited_for(tmp_path: Path, config: Config) -> None:
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    with sqlite3.connect(tmp_path / "s.db", check_same_thread=False) as other:
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(7, other.rollback).start()  # longer than Optuna waits by itself
        assert study.ask().number == 0


def test_a_study_that_stays_locked_is_one_line(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LOCKED_SECONDS", 0.1)
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    with closing(sqlite3.connect(tmp_path / "s.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = pytest.raises(OSError, match=r"s\.db has been locked by another program")
        with locked, storage_errors(tmp_path / "s.db"):
            study.ask()


def test_a_study_of_another_schema_is_refused_with_the_command_that_upgrades_it(tmp_path: Path, config: Config) -> None:
    study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    with closing(sqlite3.connect(tmp_path / "s.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
        database.commit()
    with pytest.raises(ValueError, match=r"Copy it first, then run: optuna storage upgrade --storage sqlite:.*s\.db"):
        study_of(tmp_path / "s.db", a_space(tmp_path, config), config)


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path, config: Config) -> None:
    (tmp_path / "s.db").write_bytes(b"no database at all, but long enough to have a header" * 9)
    with pytest.raises(ValueError, match=r"s\.db is damaged \(file is not a database\)"):
        study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
