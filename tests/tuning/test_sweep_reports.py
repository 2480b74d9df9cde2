"""The page of a sweep: everything that the issue of a sweep is, in one file that loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from drawn_material import DOMAINS
from tuning_material import a_space, study_of

from spg_dist.config import Config
from spg_dist.config.tune import AshaConfig
from spg_dist.experiment import runs
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.pipeline import testing
from tuning.final import Final
from tuning.outputs import write_trials
from tuning.report import SweepReport, report_of
from tuning.report.contents import spreads_of
from tuning.report.page import sweep_html
from tuning.study import SweepStudy
from tuning.trial import TrialOutcome


def accuracies(gain: float) -> list[testing.EvaluatedRun]:
    return [
        testing.EvaluatedRun(
            runs.EvaluationSpec(runs.RunSpec("spg", target, seed), target),
            accuracy=60 + gain + seed + 3 * place,
            noise_std=None,
            n=10,
            seconds=1.0,
            val_accuracy=70.0,
            train_seconds=1.0,
            trained_on="",
        )
        for place, target in enumerate(DOMAINS)
        for seed in (1, 2)
    ]


def swept(tmp_path: Path, config: Config, built: ExperimentBuilder, trials: int = 12) -> tuple[SweepStudy, SweepReport]:
    """A sweep with a failed trial and, with early stopping, a stopped one; trial 3 is its best."""
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    for number in range(trials):
        asked = study.ask()
        if number == 1:
            study.fail(asked.number, "TrainingDiverged: spg <b>sketch</b> seed 1", "Traceback")
        elif number == 2 and config.tune.asha.enabled:
            study.report(asked.number, 2, 50.0)
            study.stop(asked.number)
        else:
            value = 80.0 if number == 3 else 60.0 + number
            study.complete(asked.number, TrialOutcome(value, 0.5, {"art": value}, 10.0 + number % 3))
    best = study.best()
    assert best is not None
    finals = [Final(0, accuracies(0.0)), Final(best.number, accuracies(2.0 if best.number else 0.0))]
    return study, report_of(study, config, built.manifest, "tiny-rn (embedded weights)", False, *finals, [])


class Ids(HTMLParser):
    """The ids of a page, and what it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2"])
def test_the_page_is_whole_and_loads_nothing(
    tmp_path: Path, config: Config, built: ExperimentBuilder, algorithm: str
) -> None:
    asha = AshaConfig(enabled=algorithm == "tpe", first_epochs=2)
    config = replace(config, tune=replace(config.tune, algorithm=algorithm, asha=asha, trials=12))
    _, report = swept(tmp_path, config, built)
    page = sweep_html(report)
    found = Ids(page)
    assert len(set(found.ids)) == len(found.ids), "ids of drawings collide"
    assert {link for link in found.links if not link.startswith(("#", "data:"))} == set()
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    sections = {"gain", "history", "importances", "parallel", "slices", "trials", "configuration"}
    assert sections <= set(found.ids)
    assert ("front" in found.ids) == (algorithm == "nsga2")
    for name in (*(dimension.name for dimension in report.dimensions), *DOMAINS):
        assert name in page
    assert "<b>sketch" not in page and "&lt;b&gt;sketch" in page
    assert "<script" not in page


def test_the_lead_says_what_tuning_gained(tmp_path: Path, config: Config, built: ExperimentBuilder) -> None:
    _, report = swept(tmp_path, config, built)
    lead = re.sub(r"\s", " ", re.search(r'class="lead">(.*?)</p>', sweep_html(report), re.DOTALL)[1])  # type: ignore[index]
    assert "Trial 3 reaches 80.00 %" in lead
    assert "20.00 points above the defaults" in lead
    assert "66.5 ± 0.7 % against 64.5 ± 0.7 % of the defaults over 2 seeds" in lead


def test_a_trial_takes_its_training_and_not_the_hours_in_which_the_sweep_lay_dead(
    tmp_path: Path, config: Config, built: ExperimentBuilder
) -> None:
    _, report = swept(tmp_path, config, built, trials=4)  # 10, 12 and 10 s of training, told within a second
    assert report.facts["Training of a trial"] == "10 s (median)"


@pytest.mark.parametrize(("gain", "level"), [(0.3, True), (2.0, False)])
def test_a_gain_within_the_spread_over_seeds_is_none(
    tmp_path: Path, config: Config, built: ExperimentBuilder, gain: float, level: bool
) -> None:
    _, report = swept(tmp_path, config, built)
    page = sweep_html(replace(report, best_tested=spreads_of(accuracies(gain))))
    assert ("no clear difference" in page) == level
    assert ("points, within the spread" in page) == level


def test_a_sweep_that_found_nothing_better_says_so(tmp_path: Path, config: Config, built: ExperimentBuilder) -> None:
    _, report = swept(tmp_path, config, built, trials=2)
    assert report.best == 0
    page = sweep_html(report)
    assert "No trial is better than the defaults" in page
    assert "importances" not in Ids(page).ids, "of two trials they would be noise"


def test_importances_point_at_what_matters(tmp_path: Path, config: Config, built: ExperimentBuilder) -> None:
    config = replace(config, tune=replace(config.tune, algorithm="random", trials=60))
    study = study_of(tmp_path / "s.db", a_space(tmp_path, config), config)
    for _ in range(60):
        asked = study.ask()
        study.complete(asked.number, TrialOutcome(80 - 50 * asked.values["stage2.dropout"], None, {}, 1.0))
    finals = [Final(0, accuracies(0.0)), Final(1, accuracies(0.0))]
    report = report_of(study, config, built.manifest, "tiny-rn", False, *finals, [])
    assert next(iter(report.importances)) == "stage2.dropout"
    assert sum(report.importances.values()) == pytest.approx(1.0)


def test_what_the_images_warn_of_stands_before_the_figures(
    tmp_path: Path, config: Config, built: ExperimentBuilder
) -> None:
    study, _ = swept(tmp_path, config, built)
    finals = [Final(0, accuracies(0.0)), Final(3, accuracies(2.0))]
    report = report_of(study, config, built.manifest, "tiny-rn", False, *finals, warnings=["Images stand twice."])
    assert "Images stand twice." in report.warnings


def test_averages_are_taken_within_each_seed_first() -> None:
    found = spreads_of(accuracies(0.0))
    assert found.by_target["art"].mean == pytest.approx(61.5)
    assert found.average.mean == pytest.approx(64.5)
    assert found.average.std == pytest.approx(0.7071, abs=1e-4)


def test_the_table_of_trials_has_all_of_them(tmp_path: Path, config: Config, built: ExperimentBuilder) -> None:
    study, _ = swept(tmp_path, config, built, trials=4)
    study.ask()
    write_trials(tmp_path / "trials.csv", study)
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["completed", "failed", "completed", "completed", "running"]
    assert "TrainingDiverged" in lines[2]
