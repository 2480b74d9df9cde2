"""The target domain is never seen before the final test: its features are NaN, its prompt label garbage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from experiment_material import Outcome, arguments, builder, draw_images, outcome, run

from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.experiment.training import train_run
from spg_dist.features import FeatureTable, StoredView
from spg_dist.training import TrainingDiverged

TARGET = "sketch"


def poison(experiment: Experiment, domain: str) -> Experiment:
    """Replace the features of one domain by NaN, in every view."""
    clean, index = experiment.table, experiment.manifest.domain_index(domain)

    def poisoned(view: StoredView) -> StoredView:
        features = view.features_MD.clone()
        rows = view.row_N[(clean.domain_N == index) & (view.row_N >= 0)]
        features[rows] = float("nan")
        return StoredView(features, view.row_N)

    experiment.table = FeatureTable(
        clean.manifest, poisoned(clean.plain), [poisoned(view) for view in clean.augmented], clean.device
    )
    return experiment


def train_all(experiment: Experiment) -> Iterator[tuple[str, dict[str, torch.Tensor], list[dict[str, float]]]]:
    """All that is trained for the target: the sources' prompt labels, the pooled prompt, the generator."""
    sources = [name for name in experiment.manifest.domains if name != TARGET]
    specs = [RunSpec("prompt-label", name, 1) for name in sources]
    for spec in [*specs, RunSpec("coop", TARGET, 1), RunSpec("spg", TARGET, 1)]:
        trained = train_run(experiment, spec, lambda epoch, metrics: None)
        yield spec.name, trained.weights, trained.history


@pytest.mark.parametrize("views", [0, 2])
def test_nan_features_of_the_target_change_no_bit_of_any_training(images: Path, home: Path, views: int) -> None:
    setting = f"encode.views={views}"
    clean = list(train_all(builder(images, home, f"clean-{views}", setting).build()))
    poisoned = list(train_all(poison(builder(images, home, f"poisoned-{views}", setting).build(), TARGET)))
    assert [(name, history) for name, _, history in clean] == [(name, history) for name, _, history in poisoned]
    for (name, mine, _), (_, theirs, _) in zip(clean, poisoned, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items()), name


def test_the_poison_does_reach_a_training_that_may_read_it(images: Path, home: Path) -> None:
    experiment = poison(builder(images, home, "poisoned-source").build(), "art")
    with pytest.raises(
        TrainingDiverged, match=r"prompt-label art seed 1: loss is nan in epoch 0.*stage1\.learning_rate"
    ):
        train_run(experiment, RunSpec("prompt-label", "art", 1), lambda epoch, metrics: None)


def test_a_run_for_one_target_does_not_train_that_domains_prompt_label(
    images: Path, home: Path, undisturbed: Outcome
) -> None:
    folder = run(arguments(images, home, "name=one-target", f"targets=[{TARGET}]"))
    assert {path.name for path in (folder.root / "prompt_labels").iterdir()} == {
        "art-seed1.safetensors",
        "photo-seed1.safetensors",
    }
    mine, all_targets = outcome(folder).tensors, undisturbed.tensors
    assert all(torch.equal(t, all_targets[name][key]) for name, file in mine.items() for key, t in file.items())


def test_the_prompt_label_of_the_target_is_not_read(images: Path, home: Path, undisturbed: Outcome) -> None:
    """It is there, for the other targets' sake: damaged, it disturbs only the runs that use it."""
    made = builder(images, home, "garbage-label")
    experiment = made.build()
    for name in ("art", "photo"):
        train_run(experiment, RunSpec("prompt-label", name, 1), lambda epoch, metrics: None)
    label = made.folder.artifact(RunSpec("prompt-label", TARGET, 1))
    label.write_bytes(b"garbage")
    trained = train_run(experiment, RunSpec("spg", TARGET, 1), lambda epoch, metrics: None)
    expected = undisturbed.tensors[f"generators/multi-source-{TARGET}-seed1.safetensors"]
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained.weights.items())
    with pytest.raises(ValueError, match=r"sketch-seed1\.safetensors is damaged"):
        train_run(experiment, RunSpec("spg", "art", 1), lambda epoch, metrics: None)


def test_other_pictures_in_the_target_change_nothing_but_its_test(tmp_path: Path, images: Path, home: Path) -> None:
    """End to end, from the files: the target's images are replaced, and everything learned for it stays the same."""
    other = draw_images(tmp_path / "set")
    for path in (other / TARGET).rglob("*.png"):
        path.write_bytes((other / "art" / path.parent.name / path.name).read_bytes())
    first, second = (
        run(arguments(root, home, f"name=target-{n}", f"targets=[{TARGET}]")) for n, root in enumerate((images, other))
    )
    mine, theirs = outcome(first), outcome(second)
    assert mine.histories == theirs.histories
    assert mine.rows != theirs.rows
    assert all(
        torch.equal(t, theirs.tensors[name][key]) for name, file in mine.tensors.items() for key, t in file.items()
    )
