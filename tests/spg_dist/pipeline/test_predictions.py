"""A prediction depends on the image alone, in the test and in predict.py; the transductive method says what else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from experiment_material import CountsEpochs, arguments, run
from safetensors.torch import load_file, save_file
from stand_in_processor import installed

from spg_dist.embedded import tiny_clip_files
from spg_dist.embedded.drawing import draw
from spg_dist.evaluation.prediction import BLOCK_ROWS, Predicted
from spg_dist.experiment import runs
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.gan.draws import image_noise
from spg_dist.pipeline.prediction import Predictions, predict

TRANSDUCTIVE = "dpl"
SPG = RunSpec("spg", "sketch", 1)
SETTINGS = (
    "methods=[zero-shot,zero-shot-ensemble,linear-probe,coop,cocoop,dpl,spg]",
    "targets=[sketch]",
    "encode.batch_size=4",
)
Processor = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def trained(images: Path, home: Path) -> RunFolder:
    """A run with every method."""
    return run(arguments(images, home, "name=predicting", *SETTINGS))


@pytest.fixture(scope="module")
def sketches(images: Path) -> list[Path]:
    found = sorted((images / "sketch").rglob("*.png"))
    assert len(found) % BLOCK_ROWS, "the last block is to be filled up"
    return found


def asked(folder: RunFolder, images: Sequence[Path], *methods: str) -> Predictions:
    return predict(folder, "sketch", 1, methods, images)


def of(predictions: Predictions, method: str) -> dict[str, Predicted]:
    """By the image's bytes: names and places change."""
    return {predictions.images[i].read_bytes().hex(): said for i, said in predictions.said[method].items()}


def rows_of_test(folder: RunFolder, spec: RunSpec) -> dict[str, dict[str, Any]]:
    """What the run's own test said of each image of the target."""
    table = pq.read_table(folder.predictions(runs.EvaluationSpec(spec, "sketch")))
    return {row["image"]: row for row in table.to_pylist()}


def assert_same(found: dict[str, Predicted], expected: dict[str, Predicted]) -> None:
    assert found
    for image, one in found.items():
        other = expected[image]
        assert (one.class_index, one.by_draw) == (other.class_index, other.by_draw)
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert one.spread == (None if other.spread is None else pytest.approx(other.spread, abs=1e-4))


@pytest.fixture(params=[nullcontext, installed], ids=["this processor", "another"])
def on_a_processor(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.param():
        yield


def test_an_image_is_classified_alone_as_in_any_folder_and_order(
    trained: RunFolder, sketches: list[Path], tmp_path: Path, on_a_processor: None
) -> None:
    whole = asked(trained, sketches)
    (tmp_path / "elsewhere").mkdir()
    unreadable = tmp_path / "elsewhere" / "0.png"
    unreadable.write_bytes(b"no picture")
    copies = [shutil.copy(path, tmp_path / "elsewhere" / f"{9 + n}.png") for n, path in enumerate(sketches[3:9])]
    groups = ([sketches[5]], sketches[::-1], [unreadable, *map(Path, copies)])
    for method in whole.said.keys() - {TRANSDUCTIVE}:
        expected = of(whole, method)
        for group in groups:
            assert_same(of(asked(trained, group, method), method), expected)


def test_predict_says_of_the_targets_images_what_the_runs_own_test_said(
    trained: RunFolder, sketches: list[Path], images: Path
) -> None:
    predictions = asked(trained, sketches)
    names = predictions.class_names
    for method, said in predictions.said.items():
        spec = RunSpec(method, "sketch", None if method.startswith("zero-shot") else 1)
        tested = {
            row["image"]: row
            for row in pq.read_table(trained.predictions(runs.EvaluationSpec(spec, "sketch"))).to_pylist()
        }
        assert len(tested) == len(said) == len(sketches)
        for i, one in said.items():
            row = tested[sketches[i].relative_to(images).as_posix()]
            assert row["predicted"] == names[one.class_index]
            assert row["by_draw"] == [names[k] for k in one.by_draw]
            assert row["probability"] == pytest.approx(one.probability, abs=1e-4)
        assert {len(row["by_draw"]) for row in tested.values()} == {3 if method == "spg" else 1}


def test_one_image_more_in_the_data_set_changes_no_other_prediction(images: Path, home: Path, tmp_path: Path) -> None:
    """It comes first in the listing of the target, so that nothing is trained anew."""
    root = shutil.copytree(images, tmp_path / "growing")
    given = arguments(root, home, "name=growing", "targets=[sketch]", "methods=[spg]")

    before = rows_of_test(run(given), SPG)
    draw("car", "sketch", 1, 99).save(root / "sketch" / "boat" / "-1.png")
    display = CountsEpochs()
    after = rows_of_test(run(given, display), SPG)
    assert display.epochs == 0
    assert min(after) not in before and len(after) == len(before) + 1
    for image, row in before.items():
        assert (after[image]["predicted"], after[image]["by_draw"]) == (row["predicted"], row["by_draw"])
        assert after[image]["probability"] == pytest.approx(row["probability"], abs=1e-4)


def test_predict_honours_the_runs_own_settings_of_the_test(
    trained: RunFolder, sketches: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(trained.root, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    text = folder.config.read_text(encoding="utf-8")
    assert "noise: draw" in text and "draws: 3" in text
    folder.config.write_text(text.replace("draws: 3", "draws: 5"), encoding="utf-8")
    assert {len(one.by_draw) for one in asked(folder, sketches, "spg").said["spg"].values()} == {5}
    folder.config.write_text(text.replace("noise: draw", "noise: zero"), encoding="utf-8")
    assert {one.spread for one in asked(folder, sketches, "spg").said["spg"].values()} == {None}


def test_the_transductive_method_takes_the_given_images_as_a_set_whatever_their_order(
    trained: RunFolder, sketches: list[Path]
) -> None:
    whole, turned = asked(trained, sketches, TRANSDUCTIVE), asked(trained, sketches[::-1], TRANSDUCTIVE)
    assert whole.transductive == turned.transductive == [TRANSDUCTIVE]
    assert [of(whole, TRANSDUCTIVE)[path.read_bytes().hex()] for path in sketches] == [
        of(turned, TRANSDUCTIVE)[path.read_bytes().hex()] for path in sketches
    ]
    alone = of(asked(trained, sketches[:1], TRANSDUCTIVE), TRANSDUCTIVE)
    (image,) = alone
    assert alone[image].probability != pytest.approx(of(whole, TRANSDUCTIVE)[image].probability, abs=1e-6)


def test_noise_goes_by_seed_draw_and_content_alone() -> None:
    both = image_noise(1, 0, ["a", "b"], 100)
    assert both.tolist() == image_noise(1, 0, ["b", "a"], 100).flip(0).tolist()
    others = [image_noise(2, 0, ["a"], 100), image_noise(1, 1, ["a"], 100), both[1:]]
    assert all((both[:1] != other).all() for other in others)
    many = image_noise(3, 0, [str(n) for n in range(2000)], 50)
    assert float(many.mean()) == pytest.approx(0, abs=0.01) and float(many.std()) == pytest.approx(1, abs=0.01)
    assert image_noise(1, 0, [], 100).shape == (0, 100)


@pytest.mark.parametrize("method", ["coop", "zero-shot"])
def test_weights_that_were_replaced_since_the_training_are_refused_by_name(
    images: Path, home: Path, sketches: list[Path], tmp_path: Path, method: str
) -> None:
    weights = tmp_path / "weights.safetensors"
    tensors = load_file(tiny_clip_files()[1])
    save_file(tensors, weights)
    folder = run(
        arguments(
            images, home, f"name=replaced-{method}", *SETTINGS[1:], f"methods=[{method}]", f"clip.pretrained={weights}"
        )
    )
    assert asked(folder, sketches[:2]).said
    tensors["visual.attnpool.c_proj.weight"] *= 1.001
    save_file(tensors, weights)
    with pytest.raises(ValueError, match=rf"{method} sketch .*of .*replaced-{method} was made with another CLIP"):
        asked(folder, sketches[:2])
