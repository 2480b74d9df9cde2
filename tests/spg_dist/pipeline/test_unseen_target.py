"""The target domain is never seen before the final test: its features are NaN, its prompt label garbage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn_material import draw_images
from experiment_material import TRAINED_METHODS, Outcome, arguments, builder, outcome, run, train_all, train_one

from spg_dist.experiment.runs import RunSpec
from spg_dist.methods import METHODS
from spg_dist.testing.methods import poison
from spg_dist.training.loop import TrainingDiverged

TARGET = "sketch"


def test_every_method_that_trains_is_tried_here() -> None:
    assert set(TRAINED_METHODS) == {method.name for method in METHODS if method.trains}


@pytest.mark.parametrize("selection", ["source-val", "last"])
@pytest.mark.parametrize("views", [0, 2])
@pytest.mark.parametrize("method", TRAINED_METHODS)
def test_nan_features_of_the_target_change_no_bit_of_any_training(
    images: Path, home: Path, method: str, views: int, selection: str
) -> None:
    settings = f"encode.views={views}", f"selection={selection}"
    name = f"{method}-{views}-{selection}"
    clean = list(train_all(builder(images, home, f"clean-{name}", *settings).build(), method, TARGET))
    poisoned_run = builder(images, home, f"poisoned-{name}", *settings)
    poisoned = list(train_all(poison(poisoned_run.build(), TARGET), method, TARGET))
    assert [(name, history) for name, _, history in clean] == [(name, history) for name, _, history in poisoned]
    for (name, mine, _), (_, theirs, _) in zip(clean, poisoned, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items()), name


def test_the_poison_does_reach_a_training_that_may_read_it(images: Path, home: Path) -> None:
    material = poison(builder(images, home, "poisoned-source").build(), "art")
    with pytest.raises(
        TrainingDiverged, match=r"prompt-label art seed 1: loss is nan in epoch 0.*stage1\.learning_rate"
    ):
        train_one(material, RunSpec("prompt-label", "art", 1))
    for method in ("linear-probe", "coop", "cocoop", "dpl"):
        with pytest.raises(TrainingDiverged, match=rf"{method} {TARGET} seed 1: loss is nan in epoch 0"):
            train_one(material, RunSpec(method, TARGET, 1))


def test_the_oracle_does_read_the_targets_val_split(images: Path, home: Path) -> None:
    """Which is why it is marked as such: NaN features there make every prediction the first class."""
    clean = builder(images, home, "oracle-clean", "selection=oracle").build()
    poisoned = poison(builder(images, home, "oracle-poisoned", "selection=oracle").build(), TARGET)
    spec = RunSpec("linear-probe", TARGET, 1)
    first, second = (train_one(e, spec) for e in (clean, poisoned))
    assert [epoch["loss"] for epoch in first.history] == [epoch["loss"] for epoch in second.history]
    assert [epoch["val_accuracy"] for epoch in second.history] == pytest.approx([100 / 3] * 2)
    assert first.history != second.history


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
    material = made.build()
    for name in ("art", "photo"):
        train_one(material, RunSpec("prompt-label", name, 1))
    label = made.folder.artifact(RunSpec("prompt-label", TARGET, 1))
    label.write_bytes(b"garbage")
    trained = train_one(material, RunSpec("spg", TARGET, 1))
    expected = undisturbed.tensors[f"generators/multi-source-{TARGET}-seed1.safetensors"]
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained.weights.items())
    with pytest.raises(ValueError, match=r"sketch-seed1\.safetensors is damaged"):
        train_one(material, RunSpec("spg", "art", 1))


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
