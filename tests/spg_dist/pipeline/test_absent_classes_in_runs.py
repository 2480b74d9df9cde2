"""A run on domains that lack classes: tests on what a target has, learns from what a source has, knows all names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn_material import CLASSES, DOMAINS, draw_images
from experiment_material import CountsEpochs, Quiet, arguments, run

from spg_dist.evaluation.results import read_results
from spg_dist.pipeline.testing import read_predictions

EACH = 6
METHODS = "methods=[zero-shot,linear-probe,coop,spg]"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The domain sketch has no images of the first class."""
    root = draw_images(tmp_path / "own", each=EACH)
    shutil.rmtree(root / "sketch" / CLASSES[0])
    return root


def test_each_target_is_tested_on_its_own_classes_against_all_names(images: Path, tmp_path: Path) -> None:
    display = Quiet()
    folder = run(arguments(images, tmp_path, "data.allow_absent_classes=true", METHODS), display)
    assert f"classes absent from a domain (sketch: {CLASSES[0]}) are allowed" in display.text.getvalue()
    assert folder.read_classes() == list(CLASSES)
    tested = {(row.method, row.target): row.n for row in read_results(folder.results)}
    for method in ("zero-shot", "linear-probe", "coop", "spg"):
        assert {target: tested[method, target] for target in DOMAINS} == {
            target: EACH * (len(CLASSES) - (target == "sketch")) for target in DOMAINS
        }
    assert (folder.root / "prompt_labels" / "sketch-seed1.safetensors").is_file()
    truths = {truth for truth, _ in read_predictions(next((folder.root / "predictions/spg/sketch").iterdir())).values()}
    assert truths == set(CLASSES[1:])


def test_allowing_it_where_nothing_is_absent_is_the_same_run(tmp_path: Path) -> None:
    root, display = draw_images(tmp_path / "own", each=EACH), CountsEpochs()
    first = run(arguments(root, tmp_path, METHODS)).results.read_bytes()
    assert run(arguments(root, tmp_path, METHODS, "data.allow_absent_classes=true"), display).results.is_file()
    assert display.epochs == 0
    assert run(arguments(root, tmp_path, METHODS), display).results.is_file() and display.epochs == 0
    assert first.count(b"\n") == 1 + 4 * len(DOMAINS)
