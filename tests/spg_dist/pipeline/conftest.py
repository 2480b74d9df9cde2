"""One drawn data set for all, and one undisturbed run to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_material import draw_images
from experiment_material import Outcome, arguments, outcome, run

from spg_dist.experiment.folder import RunFolder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 drawings of 3 domains and 3 classes; not to be changed by a test."""
    return draw_images(tmp_path_factory.mktemp("drawn") / "set")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs go; its cache is shared, so the images are encoded once for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def home_variable(home: Path) -> Iterator[None]:
    """For a whole module, so that its shared runs have it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        yield


@pytest.fixture(scope="session")
def undisturbed_folder(images: Path, home: Path) -> RunFolder:
    """The folder of a run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPG_HOME", str(home))
        return run(arguments(images, home, "name=undisturbed"))


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder: RunFolder) -> Outcome:
    return outcome(undisturbed_folder)
