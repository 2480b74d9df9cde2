"""Training goes on where it stopped, keeps the best epoch, and never takes another run's file for its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from loop_material import EPOCHS, HERE, Killed, Seen, identity_of, run, run_script

from spg_dist.training.files import read_tensors, write_tensors
from spg_dist.training.loop import RunGroup, TrainedRun, TrainingDiverged, read_trained

ELSEWHERE = replace(HERE, processor="another", threads=2)
Build = Callable[[], RunGroup]


def assert_same(one: TrainedRun, other: TrainedRun) -> None:
    assert one.history == other.history
    assert (one.best_epoch, one.val_accuracy) == (other.best_epoch, other.val_accuracy)
    assert one.weights.keys() == other.weights.keys()
    for name, tensor in one.weights.items():
        assert torch.equal(tensor, other.weights[name]), name


@pytest.mark.parametrize("last_epoch", [0, EPOCHS - 2])
def test_a_resumed_run_is_bit_identical_to_an_undisturbed_one(build: Build, tmp_path: Path, last_epoch: int) -> None:
    undisturbed = run(build(), tmp_path / "undisturbed")
    with pytest.raises(Killed):
        run(build(), tmp_path / "killed", Seen(stop_after=last_epoch))
    seen = Seen()
    resumed = run(build(), tmp_path / "killed", seen)
    assert_same(resumed, undisturbed)
    assert seen.epochs == list(range(EPOCHS)), "former epochs are reported again, so that curves are whole"
    assert seen.metrics == undisturbed.history
    assert_same(read_trained(tmp_path / "killed" / "run.safetensors"), undisturbed)


def test_a_run_may_be_killed_again_and_again(build: Build, tmp_path: Path) -> None:
    undisturbed = run(build(), tmp_path / "undisturbed")
    for last_epoch in range(EPOCHS - 1):
        with pytest.raises(Killed):
            run(build(), tmp_path / "killed", Seen(stop_after=last_epoch))
    assert_same(run(build(), tmp_path / "killed"), undisturbed)


def test_a_finished_run_is_not_trained_again(scripted: Callable[..., Any], tmp_path: Path) -> None:
    first = run_script(scripted([1, 2, 3]), tmp_path)
    assert not (tmp_path / "run.ckpt").exists()
    untouched, seen = scripted([1, 2, 3]), Seen()
    assert_same(run_script(untouched, tmp_path, seen), first)
    assert seen.epochs == [0, 1, 2]
    assert untouched.weights()["seen"] == 0


def test_checkpoints_are_written_no_oftener_than_asked(scripted: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_script(scripted([1, 2, 3]), tmp_path, Seen(stop_after=1), seconds=3600)
    assert not (tmp_path / "run.ckpt").exists()
    with pytest.raises(Killed):
        run_script(scripted([1, 2, 3]), tmp_path, Seen(stop_after=1), seconds=0)
    assert len(read_tensors(tmp_path / "run.ckpt")[1]["history"]) == 2


@pytest.mark.parametrize(
    ("accuracies", "best"), [([50, 70, 70, 60], 1), ([0, 0, 0], 0), ([10, 20, 30], 2), ([90, 10], 0)]
)
def test_the_first_of_the_best_epochs_is_kept(
    scripted: Callable[..., Any], tmp_path: Path, accuracies: list[float], best: int
) -> None:
    done = run_script(scripted(accuracies), tmp_path)
    assert (done.best_epoch, done.val_accuracy) == (best, accuracies[best])
    assert done.weights["seen"] == best + 1
    assert [metrics["val_accuracy"] for metrics in done.history] == accuracies


def test_the_best_epoch_survives_a_kill_after_it(scripted: Callable[..., Any], tmp_path: Path) -> None:
    accuracies = [10.0, 90.0, 20.0, 90.0, 30.0]
    with pytest.raises(Killed):
        run_script(scripted(accuracies), tmp_path, Seen(stop_after=2))
    done = run_script(scripted(accuracies), tmp_path)
    assert (done.best_epoch, float(done.weights["seen"])) == (1, 2)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_by_name(
    scripted: Callable[..., Any], tmp_path: Path, loss: float
) -> None:
    with pytest.raises(TrainingDiverged, match=rf"loss is {loss} in epoch 1: .*Lower the learning rate"):
        run_script(scripted([1, 2, 3], [0.5, loss, 0.5]), tmp_path)
    assert not (tmp_path / "run.safetensors").exists()
    assert len(read_tensors(tmp_path / "run.ckpt")[1]["history"]) == 1, "the diverged state is not kept"


def test_an_accuracy_of_no_images_is_never_selected(scripted: Callable[..., Any], tmp_path: Path) -> None:
    """A mean over nothing is NaN, which no epoch could beat: the run would end without weights."""
    with pytest.raises(ValueError, match=r"val_accuracy is nan in epoch 0: .*no validation images"):
        run_script(scripted([math.nan, 50]), tmp_path)


def test_a_file_of_other_settings_is_trained_anew(scripted: Callable[..., Any], tmp_path: Path) -> None:
    run_script(scripted([1, 2]), tmp_path, identity="lr=1")
    done = run_script(scripted([3, 4, 5]), tmp_path, identity="lr=2")
    assert (done.identity, done.val_accuracy) == (identity_of("lr=2").digest, 5)
    assert read_trained(tmp_path / "run.safetensors").identity == identity_of("lr=2").digest


def test_a_finished_run_is_kept_whatever_trained_it(scripted: Callable[..., Any], tmp_path: Path) -> None:
    first = run_script(scripted([1, 2]), tmp_path)
    again = run_script(scripted([3, 4]), tmp_path, here=ELSEWHERE)
    assert (again.history, again.provenance) == (first.history, [HERE])


def test_a_run_that_is_resumed_elsewhere_says_so_and_keeps_both_places(
    scripted: Callable[..., Any], tmp_path: Path
) -> None:
    said: list[tuple[int, str]] = []
    for stop_after in (0, 1):
        with pytest.raises(Killed):
            run_script(scripted([1, 2, 3, 4]), tmp_path, Seen(stop_after))
    watched = {"resumed": lambda epochs, moved: said.append((epochs, moved))}
    with pytest.raises(Killed):
        run_script(scripted([1, 2, 3, 4]), tmp_path, Seen(stop_after=2), here=ELSEWHERE, **watched)
    assert said == [(2, "processor: a processor then, another now; threads: 1 then, 2 now")]
    done = run_script(scripted([1, 2, 3, 4]), tmp_path, here=ELSEWHERE, **watched)
    assert said[1:] == [(3, "")]
    assert done.provenance == read_trained(tmp_path / "run.safetensors").provenance == [HERE, ELSEWHERE]
    assert [metrics["val_accuracy"] for metrics in done.history] == [1, 2, 3, 4]


def test_what_a_killed_writer_left_goes_when_the_run_is_finished(scripted: Callable[..., Any], tmp_path: Path) -> None:
    for name in (".run.ckpt.12.tmp", ".run.safetensors.12.tmp", ".another.ckpt.12.tmp"):
        (tmp_path / name).write_text("half")
    run_script(scripted([1, 2]), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".another.ckpt.12.tmp", "run.safetensors"]


def test_a_checkpoint_of_other_settings_is_not_resumed(scripted: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_script(scripted([9, 9, 9]), tmp_path, Seen(stop_after=1), identity="lr=1")
    done = run_script(scripted([3, 4, 5]), tmp_path, identity="lr=2")
    assert [metrics["val_accuracy"] for metrics in done.history] == [3, 4, 5]
    assert not (tmp_path / "run.ckpt").exists()


@pytest.mark.parametrize("name", ["run.safetensors", "run.ckpt"])
@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "flipped"])
def test_a_damaged_file_is_named_with_its_cure(build_toy: Build, tmp_path: Path, name: str, damage: str) -> None:
    with pytest.raises(Killed):
        run(build_toy(), tmp_path, Seen(stop_after=EPOCHS - 2))
    if name == "run.safetensors":
        run(build_toy(), tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[-1] ^= 1
    broken = {"cut": bytes(content[:-5]), "empty": b"", "garbage": b"not safetensors", "flipped": bytes(content)}[
        damage
    ]
    (tmp_path / name).write_bytes(broken)
    with pytest.raises(ValueError, match=rf"{tmp_path}/{name} is damaged .*: delete it and run the same command again"):
        run(build_toy(), tmp_path)
    (tmp_path / name).unlink()
    assert_same(run(build_toy(), tmp_path), run(build_toy(), tmp_path / "undisturbed"))


def test_a_file_of_another_kind_or_version_is_named(scripted: Callable[..., Any], tmp_path: Path) -> None:
    write_tensors(tmp_path / "run.safetensors", {"a": torch.zeros(1)}, {"identity": "a", "from_the_future": 1})
    with pytest.raises(ValueError, match=r"run\.safetensors .*not a training run of this version.*delete it"):
        run_script(scripted([1]), tmp_path)


@pytest.mark.parametrize(("val_every", "judged"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (3, [2, 4]), (9, [4])])
def test_only_judged_epochs_have_an_accuracy_and_can_be_kept(
    scripted: Callable[..., Any], tmp_path: Path, val_every: int, judged: list[int]
) -> None:
    accuracies = [99.0, 20.0, 40.0, 30.0, 10.0]
    done = run_script(scripted(accuracies), tmp_path, val_every=val_every)
    assert [e for e, metrics in enumerate(done.history) if "val_accuracy" in metrics] == judged
    best = max(judged, key=lambda epoch: accuracies[epoch])
    assert (done.best_epoch, done.val_accuracy, float(done.weights["seen"])) == (best, accuracies[best], best + 1)


def test_a_kill_between_judged_epochs_changes_nothing(scripted: Callable[..., Any], tmp_path: Path) -> None:
    accuracies = [10.0, 50.0, 20.0, 40.0, 30.0]
    undisturbed = run_script(scripted(accuracies), tmp_path / "undisturbed", val_every=2)
    for stop in (0, 2):
        with pytest.raises(Killed):
            run_script(scripted(accuracies), tmp_path / "killed", Seen(stop_after=stop), val_every=2)
    assert_same(run_script(scripted(accuracies), tmp_path / "killed", val_every=2), undisturbed)


def test_the_last_rule_keeps_the_last_epoch(scripted: Callable[..., Any], tmp_path: Path) -> None:
    done = run_script(scripted([50, 70, 60]), tmp_path, keep="last", val_every=2)
    assert (done.best_epoch, done.val_accuracy, float(done.weights["seen"])) == (2, 60, 3)
