"""A run with `encode.pixels=published`: its test, its report and predict see the same pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from experiment_material import arguments, run
from PIL import Image

from spg_dist.experiment import runs
from spg_dist.experiment.folder import RunFolder
from spg_dist.pipeline.prediction import predict


@pytest.fixture
def odd_sketches(images: Path, tmp_path: Path) -> Path:
    """Sketches that `upright` turns, and sketches of floating-point pixels, which it sets aside."""
    root = shutil.copytree(images, tmp_path / "odd")
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, path in enumerate(sorted((root / "sketch").rglob("*.png"))):
        with Image.open(path) as image:
            if number % 2:
                image.convert("RGB").save(path, exif=exif)
            else:
                grey = np.asarray(image.convert("L")).astype(np.float32)
                Image.fromarray(grey).save(path.with_suffix(".tif"))
                path.unlink()
    return root


def test_predict_reads_as_the_run_did(odd_sketches: Path, home: Path) -> None:
    settings = ("targets=[sketch]", "methods=[zero-shot]", "encode.pixels=published")
    folder = run(arguments(odd_sketches, home, "name=published-pixels", *settings))
    rows = pq.read_table(
        folder.predictions(runs.EvaluationSpec(runs.RunSpec("zero-shot", "sketch", None), "sketch"))
    ).to_pylist()
    tested = {odd_sketches / row["image"]: row["probability"] for row in rows}
    assert len(tested) == len(list((odd_sketches / "sketch").rglob("*.*")))
    assert folder.report.exists(), "its pictures are those that were tested"
    predicted = predict(folder, "sketch", 1, [], list(tested))
    assert not predicted.set_aside
    said = [predicted.said["zero-shot"][i].probability for i in range(len(tested))]
    assert said == pytest.approx(list(tested.values()), abs=1e-4)
    as_upright(folder)
    turned = predict(folder, "sketch", 1, [], list(tested))
    assert {path.suffix for path in map(turned.images.__getitem__, turned.set_aside)} == {".tif"}
    differing = [abs(one.probability - said[i]) > 1e-3 for i, one in turned.said["zero-shot"].items()]
    assert any(differing)


def as_upright(folder: RunFolder) -> None:
    text = folder.config.read_text(encoding="utf-8")
    assert "pixels: published" in text
    folder.config.write_text(text.replace("pixels: published", "pixels: upright"), encoding="utf-8")
