"""A trial trains both stages and is judged by the sources' val split; it never sees a target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_material import DOMAINS
from tuning_material import a_space, configured, study_of, sweep, told

from spg_dist.config import Config
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.events import EpochDone
from spg_dist.testing.methods import poison
from spg_dist.training.loop import TrainingDiverged, read_trained
from tuning.folder import SweepFolder
from tuning.spaces import Space, with_values
from tuning.trial import EpochMeans, TrialOutcome, run_trial, trial_config


def nothing(epochs: int, val_accuracy: float) -> None:
    """For trials whose progress nobody watches."""


def one_trial(built: ExperimentBuilder, folder: Path, number: int = 0, **values: object) -> TrialOutcome:
    config = with_values(trial_config(built.config), {name.replace("__", "."): v for name, v in values.items()})
    return run_trial(built.build(), config, SweepFolder(folder).trial(number, config), nothing)


@pytest.mark.parametrize("target", DOMAINS)
def test_nan_features_of_a_target_change_no_bit_of_its_study(
    tmp_path: Path, images: Path, home: Path, built: ExperimentBuilder, target: str
) -> None:
    config = trial_config(configured(images, home, "tune.trials=4", f"targets=[{target}]", "seeds=[1]"))
    space = a_space(tmp_path, config)
    studies = {}
    for name in ("clean", "poisoned"):
        material = replace(built, config=config).build()
        if name == "poisoned":
            poison(material, target)
        studies[name] = study_of(tmp_path / f"{name}.db", space, config)
        sweep(studies[name], config, material, SweepFolder(tmp_path / name))
    assert told(studies["clean"].trials()) == told(studies["poisoned"].trials())


def test_the_poison_does_reach_a_trial_that_may_read_it(
    tmp_path: Path, images: Path, home: Path, built: ExperimentBuilder
) -> None:
    config = trial_config(configured(images, home, "tune.trials=4", "targets=[art]", "seeds=[1]"))
    material = poison(replace(built, config=config).build(), "sketch")
    with pytest.raises(TrainingDiverged, match="sketch"):
        run_trial(material, config, SweepFolder(tmp_path).trial(0, config), nothing)


def test_the_objective_is_the_mean_over_targets_and_seeds_of_the_kept_epochs(
    tmp_path: Path, built: ExperimentBuilder
) -> None:
    outcome = one_trial(built, tmp_path)
    kept = {
        (target, seed): read_trained(tmp_path / f"trials/0/generators/multi-source-{target}-seed{seed}.safetensors")
        for target in DOMAINS
        for seed in (1, 2)
    }
    values = [run.val_accuracy for run in kept.values()]
    assert outcome.val_accuracy == pytest.approx(sum(values) / len(values))
    assert outcome.by_target["art"] == pytest.approx((values[0] + values[1]) / 2)
    assert outcome.seed_std is not None
    assert outcome.cost_seconds > sum(run.seconds for run in kept.values()), "stage 1 costs something too"


def test_trials_with_the_same_stage_1_train_it_once(tmp_path: Path, built: ExperimentBuilder) -> None:
    one_trial(built, tmp_path, 0)
    labels = sorted(tmp_path.glob("stage1/*/prompt_labels/*.safetensors"))
    assert len(labels) == 2 * len(DOMAINS)
    before = [path.stat().st_mtime_ns for path in labels]
    one_trial(built, tmp_path, 1, stage2__dropout=0.1)
    assert [path.stat().st_mtime_ns for path in labels] == before
    one_trial(built, tmp_path, 2, stage1__learning_rate=0.05)
    assert len(list(tmp_path.glob("stage1/*"))) == 2
    assert [path.stat().st_mtime_ns for path in labels] == before


def test_trials_share_one_table_of_features_that_lies_in_the_cache(built: ExperimentBuilder, tmp_path: Path) -> None:
    material = built.build()
    table = material.table
    run_trial(material, trial_config(built.config), SweepFolder(tmp_path).trial(0, built.config), nothing)
    assert material.table is table
    assert not table.plain.features_MD.numpy().flags.owndata, "memory-mapped, not copied"


def test_a_trial_that_is_interrupted_goes_on_from_its_checkpoints(tmp_path: Path, built: ExperimentBuilder) -> None:
    class Killed(BaseException):
        """What no handler of errors may keep."""

    def kill(epochs: int, val_accuracy: float) -> None:
        if epochs == 2:
            raise Killed

    config, told_epochs = trial_config(built.config), []
    folder = SweepFolder(tmp_path / "killed").trial(0, config)
    with pytest.raises(Killed):
        run_trial(built.build(), config, folder, kill)
    assert list(folder.root.glob("checkpoints/*"))
    outcome = run_trial(built.build(), config, folder, lambda epochs, value: told_epochs.append((epochs, value)))
    expected: list[tuple[int, float]] = []
    undisturbed = run_trial(
        built.build(),
        config,
        SweepFolder(tmp_path / "whole").trial(0, config),
        lambda epochs, value: expected.append((epochs, value)),
    )
    assert told_epochs == expected
    assert [epochs for epochs, _ in expected] == [1, 2, 3, 4]
    assert replace(outcome, cost_seconds=0.0) == replace(undisturbed, cost_seconds=0.0)


def test_a_diverged_run_fails_the_trial_with_its_name(tmp_path: Path, built: ExperimentBuilder) -> None:
    with pytest.raises(TrainingDiverged, match=r"spg \w+ seed 1: .* is (nan|inf) in epoch \d"):
        one_trial(built, tmp_path, stage2__learning_rate=1e30)


def test_an_epoch_counts_when_every_run_has_done_it() -> None:
    said: list[tuple[int, float]] = []
    first, second = RunSpec("spg", "art", 1), RunSpec("spg", "photo", 1)
    means = EpochMeans([first, second], last=False, progress=lambda epochs, value: said.append((epochs, value)))
    for epoch, value in enumerate((50.0, 40.0)):
        means(EpochDone(first, epoch, {"val_accuracy": value}))
    assert said == []
    means(EpochDone(second, 0, {"val_accuracy": 70.0}))
    means(EpochDone(second, 1, {"g_loss": 1.0}))  # an epoch without a look at the val split
    assert said == [(1, 60.0), (2, 60.0)], "the best so far, which is what would be kept"


def test_with_the_last_epoch_kept_the_last_one_counts() -> None:
    said: list[float] = []
    means = EpochMeans([RunSpec("spg", "art", 1)], last=True, progress=lambda epochs, value: said.append(value))
    means(EpochDone(RunSpec("spg", "art", 1), 0, {"val_accuracy": 50.0}))
    means(EpochDone(RunSpec("spg", "art", 1), 1, {"val_accuracy": 40.0}))
    assert said == [50.0, 40.0]


def test_an_outcome_crosses_as_json() -> None:
    outcome = TrialOutcome(70.0, None, {"art": 70.0}, 1.5)
    assert TrialOutcome(**json.loads(json.dumps(outcome.__dict__))) == outcome


def test_a_space_of_both_stages_gives_each_its_values(config: Config, tmp_path: Path) -> None:
    space: Space = a_space(tmp_path, config)
    tuned = with_values(config, {"stage1.learning_rate": 0.02, "stage2.g_widths": [16, 32]})
    assert space.values(space.point_of(tuned))["stage2.g_widths"] == [16, 32]
    assert tuned.stage1.learning_rate == 0.02
    assert config.stage1.learning_rate == 2e-3


def test_a_sweep_chooses_between_networks_with_settings_of_their_own(
    tmp_path: Path, images: Path, home: Path, built: ExperimentBuilder
) -> None:
    """From either of them to the other: a network and what it is given change together."""
    transformer = ["transformer", {"layers": 1, "heads": 4, "feed_forward": 8}, [128, 256, 512, 1024]]
    choices = [["mlp", {}, [16, 24]], transformer]
    text = f"stage2.generator, stage2.generator_settings, stage2.g_widths: {{choices: {json.dumps(choices)}}}"
    start = trial_config(configured(images, home, "tune.trials=3", "targets=[art]", "seeds=[1]"))
    space = a_space(tmp_path, start, text)
    labels, folder = space.dimensions[0].domain.labels, SweepFolder(tmp_path)  # type: ignore[union-attr]
    for number, (own, other) in enumerate((labels, labels[::-1])):
        config = with_values(start, space.values({space.dimensions[0].name: own}))
        changed = with_values(config, space.values({space.dimensions[0].name: other}))
        assert space.point_of(changed) == {space.dimensions[0].name: other}
        outcome = run_trial(replace(built, config=config).build(), changed, folder.trial(number, changed), nothing)
        assert 0 <= outcome.val_accuracy <= 100
