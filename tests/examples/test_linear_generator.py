"""The example of a generator network: loaded as a plugin, held to the contract, and run through the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from drawn_material import draw_images

from cache.extensions import load_plugins
from jobs import full_pipeline
from spg_dist.evaluation.results import read_results
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.generators import GENERATORS
from spg_dist.pipeline.prediction import find_images, predict
from spg_dist.testing.generators import GeneratorContract
from spg_dist.training.loop import read_trained

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "linear_generator.py"


@pytest.fixture(autouse=True)
def example() -> None:
    load_plugins([str(EXAMPLE)])


class TestLinearGenerator(GeneratorContract):
    name = "linear"
    settings: ClassVar[dict[str, Any]] = {"reach": 0.5}
    fields: ClassVar[dict[str, Any]] = {"latent_width": 3}


def test_it_is_one_file_of_less_than_a_hundred_lines_that_the_core_does_not_know() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100
    assert "linear" not in GENERATORS.own and "linear" in GENERATORS


def test_a_run_with_it_is_trained_tested_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPG_HOME", str(tmp_path))
    images = draw_images(tmp_path / "drawn")
    given = [
        *("name=linear", "data.dataset=folder", f"data.root={images}", "clip.device=cpu", "execution.backend=local"),
        *("methods=[spg]", "targets=[sketch]", "seeds=[1]", "stage1.epochs=1", "stage2.epochs=2", "encode.views=1"),
        *(
            f"plugins=[{EXAMPLE}]",
            "stage2.generator=linear",
            "stage2.generator_settings={reach: 0.1}",
            "stage2.latent_width=7",
        ),
    ]
    full_pipeline.main(given)
    folder = RunFolder(tmp_path / "runs" / "linear")
    (row,) = read_results(folder.results)
    trained = read_trained(folder.artifact(RunSpec("spg", "sketch", 1)))
    assert (row.method, row.n) == ("spg", 18) and trained.network["generator"] == "linear"
    assert trained.weights["layer.weight"].shape[1] == 7 + 128
    found = find_images(images / "sketch" / "boat").images
    assert len(predict(folder, "sketch", 1, ["spg"], found).said["spg"]) == len(found) == 6
