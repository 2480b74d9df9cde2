"""One drawn data set and one cache for all sweeps of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_material import draw_images
from tuning_material import builder, configured

from spg_dist.config import Config
from spg_dist.experiment.builder import ExperimentBuilder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 drawings of 3 domains and 3 classes; not to be changed by a test."""
    return draw_images(tmp_path_factory.mktemp("tuning-drawn") / "set")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where outputs go; its cache is shared, so the images are encoded once for all tests."""
    return tmp_path_factory.mktemp("tuning-home")


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SPG_HOME", str(home))
    yield


@pytest.fixture
def config(images: Path, home: Path) -> Config:
    return configured(images, home, "tune.trials=4")


@pytest.fixture(scope="session")
def built(images: Path, home: Path) -> ExperimentBuilder:
    """Two targets left out in turn, all seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        return builder(configured(images, home, "tune.trials=4"))
