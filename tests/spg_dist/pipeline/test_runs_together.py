"""Runs trained together are, bit by bit, the runs trained one at a time; what is common to them is not shared harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_material import DOMAINS
from experiment_material import builder, the_run, train_one, train_together
from stand_in_processor import installed

from spg_dist.config import parse_config
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.events import EpochDone, Event, RunFailed
from spg_dist.pipeline.training import train_runs
from spg_dist.training.files import read_tensors, write_tensors
from spg_dist.training.loop import TrainedRun, TrainingDiverged

LABELS = [RunSpec("prompt-label", domain, seed) for seed in (1, 2) for domain in DOMAINS]
OTHERS = [RunSpec(method, domain, seed) for method in ("coop", "spg") for seed in (1, 2) for domain in DOMAINS]


def assert_same(one: TrainedRun, other: TrainedRun, name: str) -> None:
    assert (one.identity, one.history, one.best_epoch) == (other.identity, other.history, other.best_epoch), name
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(tensor, other.weights[key]) for key, tensor in one.weights.items()), name


@pytest.fixture(scope="module", params=[nullcontext, installed], ids=["this processor", "another"])
def processor(request: pytest.FixtureRequest) -> Iterator[str]:
    """On the other one no product keeps a row's bits among other rows."""
    with request.param():
        yield str(request.param.__name__)


@pytest.fixture(scope="module")
def one_at_a_time(images: Path, home: Path, processor: str) -> dict[RunSpec, TrainedRun]:
    material = builder(images, home, f"one-at-a-time-{processor}", "seeds=[1,2]").build()
    return {spec: train_one(material, spec) for spec in LABELS + OTHERS}


@pytest.mark.parametrize("at_once", [48, 4, 1])
def test_runs_have_the_same_bits_however_many_train_together(
    images: Path, home: Path, one_at_a_time: dict[RunSpec, TrainedRun], processor: str, at_once: int
) -> None:
    settings = ("seeds=[1,2]", f"execution.runs_together={at_once}")
    material = builder(images, home, f"together-{at_once}-{processor}", *settings).build()
    done = train_together(material, LABELS) | train_together(material, OTHERS)
    assert done.keys() == one_at_a_time.keys()
    for spec, run in done.items():
        assert_same(run, one_at_a_time[spec], spec.name)


def test_a_run_that_diverges_leaves_the_others_as_they_were(
    images: Path, home: Path, one_at_a_time: dict[RunSpec, TrainedRun], processor: str
) -> None:
    """Every target but art has art among its sources, whose prompt label is beyond any float here."""
    material = builder(images, home, f"diverging-{processor}", "seeds=[1,2]").build()
    train_together(material, LABELS[:3])
    path = material.folder.artifact(LABELS[0])
    assert LABELS[0].where == "art"
    spoil(path)
    errors: dict[str, Exception] = {}
    specs = [RunSpec("spg", domain, 1) for domain in DOMAINS]
    epochs: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, RunFailed):
            errors[event.spec.name] = event.error
        elif isinstance(event, EpochDone):
            epochs.append(event.spec.where)

    done = train_runs([the_run(material, spec) for spec in specs], listen)
    assert errors.keys() == {"spg photo seed 1", "spg sketch seed 1"}
    for name, error in errors.items():
        assert isinstance(error, TrainingDiverged) and f"{name}: g_loss is" in str(error), error
    assert set(epochs) == {"art"}
    assert_same(done[specs[0]], one_at_a_time[specs[0]], "art")


def spoil(path: Path) -> None:
    """Values that overflow in the first product."""
    tensors, record = read_tensors(path)
    write_tensors(path, {name: torch.full_like(tensor, 3e38) for name, tensor in tensors.items()}, record)


def test_a_seeded_part_of_the_val_split_judges_every_other_epoch(images: Path, home: Path) -> None:
    settings = ("stage1.val_images=3", "stage2.val_images=5", "stage2.val_every=2", "linear_probe.val_images=2")
    material = builder(images, home, "val-part", "seeds=[1,2]", *settings).build()
    done = train_together(material, LABELS) | train_together(
        material, [*OTHERS[6:], *(RunSpec("linear-probe", "art", seed) for seed in (1, 2))]
    )
    sizes = {"prompt-label": 3, "spg": 5, "linear-probe": 2}
    for spec, run in done.items():
        judged = [epoch for epoch, metrics in enumerate(run.history) if "val_accuracy" in metrics]
        assert judged == ([1, 2] if spec.method == "spg" else list(range(len(run.history))))
        for epoch in judged:
            correct = run.history[epoch]["val_accuracy"] * sizes[spec.method] / 100
            assert correct == pytest.approx(round(correct), abs=1e-4), spec.name
    plain = builder(images, home, "val-whole", "seeds=[1,2]").build()
    assert train_one(plain, LABELS[0]).identity != done[LABELS[0]].identity


def test_the_part_of_the_val_split_differs_by_seed_and_stays_in_the_split() -> None:
    config = parse_config(["stage2.val_images=5"], "test").stage2
    rows = np.arange(100, 140)
    first, again, other = (config.chosen(rows, seed) for seed in (1, 1, 2))
    assert len(first) == 5 and set(first) <= set(rows) and (first == again).all() and sorted(first) == list(first)
    assert (first != other).any()
    assert (config.chosen(rows[:5], 1) == rows[:5]).all()
