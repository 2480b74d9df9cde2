"""The contract of a method, for the test file of a module or plugin that adds one:

    @pytest.fixture
    def method() -> Iterator[Method[Any]]:
        load_plugins(["my_method.py"])
        yield METHODS["my-method"]
        forget_plugins()

    class TestMyMethod(MethodContract):
        settings = ("my_method.epochs=2",)  # whatever makes it quick

For one of our own modules there is nothing to write: our test runs over the whole table.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from spg_dist.config import parse_config
from spg_dist.evaluation.prediction import classify
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.features import FeatureTable, StoredView
from spg_dist.material import Material
from spg_dist.methods import Method
from spg_dist.pipeline.events import EpochDone, Event, fail_at_once
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.prepare import encode, load_frozen_clip, load_images
from spg_dist.pipeline.training import train_runs
from spg_dist.progress import Display
from spg_dist.run import run_of, runs_of
from spg_dist.training.loop import TrainedRun

TARGET = "sketch"
SMALL = ("data.images_per_class=4", "seeds=[1]", f"targets=[{TARGET}]", "clip.device=cpu", "execution.backend=local")


class Killed(Exception):
    """Raised in the middle of a training, as a kill would end it."""


class MethodContract:
    """What every method must do, on the embedded drawings and the embedded CLIP. Needs the fixture `method`."""

    settings: tuple[str, ...] = ()

    @pytest.fixture
    def builder(self, method: Method[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentBuilder:
        monkeypatch.setenv("SPG_HOME", str(tmp_path))
        return self.built(method, tmp_path, "contract")

    def built(self, method: Method[Any], home: Path, name: str) -> ExperimentBuilder:
        """An experiment after the encode phase, with a folder of its own."""
        given = [*SMALL, f"methods=[{method.name}]", f"name={name}", "execution.checkpoint_seconds=0", *self.settings]
        config, display = parse_config(given, "test"), Display(Console(file=StringIO()))
        manifests, clip = load_images(config, display), load_frozen_clip(config, display)
        return encode(config, manifests, clip, RunFolder(home / "runs" / name), LocalExecutor(), display)[0]

    def test_its_settings_are_frozen_and_each_has_a_default(self, method: Method[Any]) -> None:
        assert (method.settings is None) == (not method.branch)
        if method.settings is not None:
            assert is_dataclass(method.settings) and method.branch.isidentifier()
            assert all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(method.settings))
            settings = method.settings()
            with pytest.raises(AttributeError):
                setattr(settings, fields(settings)[0].name, None)
            assert asdict(settings) == asdict(method.settings())

    def test_it_says_something_of_every_image_of_a_target(self, builder: ExperimentBuilder) -> None:
        material = builder.build()
        train(builder, material)
        for test in builder.plan.tests:
            images = material.images(material.test_rows(test.target))
            run = run_of(builder.config, material, test.run)
            said = classify(run.method.predictor(run), images)
            assert len(said) == len(images) > 0
            assert all(0 <= one.class_index < len(material.manifest.class_names) for one in said)
            assert all(0 < one.probability <= 1 + 1e-6 for one in said)

    def test_a_prediction_depends_on_the_image_alone(self, method: Method[Any], builder: ExperimentBuilder) -> None:
        """On the set of images and not on their order, where it learns from them."""
        material = builder.build()
        train(builder, material)
        images = material.images(material.test_rows(TARGET)[:6])
        predictor = method.predictor(run_of(builder.config, material, builder.plan.tests[0].run))
        together, back = classify(predictor, images), classify(predictor, images.take([5, 4, 3, 2, 1, 0]))[::-1]
        alone = together if predictor.transductive else [classify(predictor, images.take([i]))[0] for i in range(6)]
        assert predictor.transductive == method.transductive
        for one, others in zip(together, zip(back, alone, strict=True), strict=True):
            for other in others:
                assert one.class_index == other.class_index
                assert one.probability == pytest.approx(other.probability, abs=1e-4)

    def test_what_it_learns_does_not_hang_on_the_target(self, method: Method[Any], builder: ExperimentBuilder) -> None:
        clean = train(builder, builder.build())
        again = replace(builder, folder=RunFolder(builder.folder.root.with_name("poisoned")))
        poisoned = train(again, poison(again.build(), TARGET))
        assert clean.keys() == poisoned.keys() and bool(clean) == method.trains
        for spec, run in clean.items():
            assert run.history == poisoned[spec].history
            assert_same(run.weights, poisoned[spec].weights)

    def test_a_killed_training_ends_with_the_bits_of_an_undisturbed_one(self, builder: ExperimentBuilder) -> None:
        undisturbed = train(builder, builder.build())
        again = replace(builder, folder=RunFolder(builder.folder.root.with_name("killed")))
        for epoch in range(3):
            try:
                train(again, again.build(), kill_after=epoch)
            except Killed:
                continue
        resumed = train(again, again.build())
        for spec, run in undisturbed.items():
            assert run.identity == resumed[spec].identity and run.history == resumed[spec].history
            assert_same(run.weights, resumed[spec].weights)


def train(builder: ExperimentBuilder, material: Material, kill_after: int | None = None) -> dict[RunSpec, TrainedRun]:
    """All trainings of an experiment; `kill_after` ends it once a run has done this epoch."""

    def listen(event: Event) -> None:
        fail_at_once(event)
        if isinstance(event, EpochDone) and event.epoch == kill_after:
            raise Killed(event.spec.name)

    done: dict[RunSpec, TrainedRun] = {}
    for stage in (builder.plan.stage1, builder.plan.stage2):
        done |= train_runs(runs_of(builder.config, material, stage), listen)
    return done


def poison(material: Material, domain: str) -> Material:
    """Replace the features of one domain by NaN, in every view."""
    clean, index = material.table, material.manifest.domain_index(domain)

    def poisoned(view: StoredView) -> StoredView:
        features_MD = view.features_MD.clone()
        features_MD[view.row_N[(clean.domain_N == index) & (view.row_N >= 0)]] = float("nan")
        return StoredView(features_MD, view.row_N)

    views = [poisoned(view) for view in clean.augmented]
    material.table = FeatureTable(clean.manifest, poisoned(clean.plain), views, clean.device)
    return material


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """The same tensors, to the bit."""
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []
