"""A sweep's folder stays one sweep: for one job at a time, with the same settings, space and features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tuning_material import a_space, study_of

from spg_dist.config import Config
from spg_dist.encode.job import CachedViews
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from tuning.final import adopt
from tuning.folder import SweepFolder, open_sweep
from tuning.spaces import with_values

SPACE = "stage2.dropout: {low: 0.0, high: 0.6}"


def begin(tmp_path: Path, config: Config, views: CachedViews, text: str = SPACE) -> None:
    space = a_space(tmp_path, config, text)
    with open_sweep(config, space, views) as folder:
        study_of(folder.study, space, config)


@pytest.fixture
def began(tmp_path: Path, config: Config, built: ExperimentBuilder) -> Config:
    """A sweep's configuration, with its study begun."""
    config = with_values(config, {"tune.folder": str(tmp_path / "sweeps")})
    begin(tmp_path, config, built.views)
    return config


def test_what_no_trial_depends_on_may_change(tmp_path: Path, began: Config, built: ExperimentBuilder) -> None:
    free = {"execution.workers": 5, "tune.trials": 50, "tune.concurrent": 2, "coop.epochs": 9, "test.draws": 1}
    begin(tmp_path, with_values(began, free), built.views)


@pytest.mark.parametrize(
    ("name", "value"), [("stage1.learning_rate", 1.0), ("tune.sampler_seed", 7), ("seeds", [3]), ("targets", ["art"])]
)
def test_what_a_trial_depends_on_may_not(
    tmp_path: Path, began: Config, built: ExperimentBuilder, name: str, value: Any
) -> None:
    with pytest.raises(
        ValueError, match=rf"holds a sweep with other settings: {name} is .* Give this one another name"
    ):
        begin(tmp_path, with_values(began, {name: value}), built.views)


def test_another_space_or_other_images_are_another_sweep(
    tmp_path: Path, began: Config, built: ExperimentBuilder
) -> None:
    with pytest.raises(ValueError, match=r"the space .* has changed"):
        begin(tmp_path, began, built.views, "stage2.dropout: {low: 0.1, high: 0.6}")
    fewer = replace(built.views, digests=built.views.digests[1:])
    with pytest.raises(ValueError, match="the images or their features have changed"):
        begin(tmp_path, began, fewer)


def test_one_job_at_a_time_writes_to_a_sweep(tmp_path: Path, began: Config, built: ExperimentBuilder) -> None:
    space = a_space(tmp_path, began, SPACE)
    with (
        open_sweep(began, space, built.views),
        pytest.raises(ValueError, match="another job is writing"),
        open_sweep(began, space, built.views),
    ):
        pass


def test_a_sweep_that_ends_before_its_study_leaves_nothing(
    tmp_path: Path, config: Config, built: ExperimentBuilder
) -> None:
    config = with_values(config, {"tune.folder": str(tmp_path / "new" / "sweeps")})
    space = a_space(tmp_path, config, SPACE)
    with pytest.raises(KeyboardInterrupt), open_sweep(config, space, built.views):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()


def test_a_refused_sweep_leaves_the_one_that_is_there_as_it_is(
    tmp_path: Path, began: Config, built: ExperimentBuilder
) -> None:
    folder = SweepFolder.of(began)
    before = {path: path.read_bytes() for path in folder.root.rglob("*")}
    with pytest.raises(ValueError, match="other settings"):
        begin(tmp_path, with_values(began, {"seeds": [3]}), built.views)
    assert {path: path.read_bytes() for path in folder.root.rglob("*")} == before


def test_trials_with_one_stage_1_have_one_place_for_its_prompt_labels(tmp_path: Path, config: Config) -> None:
    label, generator = RunSpec("prompt-label", "art", 1), RunSpec("spg", "art", 1)
    folder, other = SweepFolder(tmp_path), with_values(config, {"stage1.epochs": 9})
    first, second, third = folder.trial(0, config), folder.trial(1, config), folder.trial(2, other)
    assert first.artifact(label) == second.artifact(label) != third.artifact(label)
    assert first.checkpoint(label) == second.checkpoint(label) != third.checkpoint(label)
    assert len({trial.artifact(generator) for trial in (first, second, third)}) == 3


def test_finished_runs_are_adopted_and_missing_ones_are_not(tmp_path: Path) -> None:
    there, gone = RunSpec("spg", "art", 1), RunSpec("spg", "art", 2)
    source, target = RunFolder(tmp_path / "trial"), RunFolder(tmp_path / "final")
    source.artifact(there).parent.mkdir(parents=True)
    source.artifact(there).write_bytes(b"weights")
    adopt(source, target, [there, gone])
    assert target.artifact(there).read_bytes() == b"weights"
    assert [path.name for path in target.artifact(there).parent.iterdir()] == [target.artifact(there).name]


def test_a_field_that_the_stored_sweep_lacks_has_its_default(
    tmp_path: Path, began: Config, built: ExperimentBuilder
) -> None:
    """As an earlier version, which did not know the field, stored it."""
    settings = SweepFolder.of(began).settings
    stored = yaml.safe_load(settings.read_text(encoding="utf-8"))
    del stored["config"]["stage2"]["dropout"], stored["config"]["tune"]["asha"]
    settings.write_text(yaml.safe_dump(stored), encoding="utf-8")
    begin(tmp_path, began, built.views)
    with pytest.raises(ValueError, match=r"stage2\.dropout is 0\.4 there and 0\.3 here"):
        begin(tmp_path, with_values(began, {"stage2.dropout": 0.3}), built.views)
