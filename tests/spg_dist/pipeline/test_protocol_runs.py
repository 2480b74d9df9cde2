"""One whole small run of each protocol beside the default: single-source, and cross-dataset with other classes."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from drawn_material import DOMAINS, draw_images
from experiment_material import TRAINED_METHODS, Interrupted, Quiet, StopsAt, arguments, builder, outcome, run

from jobs import predict
from spg_dist.evaluation.results import ResultRow, read_results
from spg_dist.experiment import runs
from spg_dist.experiment.folder import RunFolder
from spg_dist.pipeline.testing import read_predictions
from spg_dist.training.loop import read_trained

OTHER_DOMAINS, OTHER_CLASSES = ("cartoon", "photo"), ("cat", "fish")
ALL_METHODS = "methods=[zero-shot,linear-probe,coop,cocoop,dpl,spg]"


SINGLE_SOURCE = ("protocol=single-source", "sources=[photo,art]", "targets=[photo,sketch]", ALL_METHODS)


@pytest.fixture(scope="module")
def single_source(images: Path, home: Path) -> RunFolder:
    return run(arguments(images, home, "name=single", *SINGLE_SOURCE))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 drawings of two domains; one of the two classes is none of the training set's."""
    return draw_images(tmp_path_factory.mktemp("drawn") / "elsewhere", OTHER_DOMAINS, OTHER_CLASSES, each=5)


def across(other: Path) -> tuple[str, ...]:
    test_data = f"test_data=[{{dataset: folder, root: {other}, name: Elsewhere}}]"
    return ("protocol=cross-dataset", "data.name=Here", test_data)


@pytest.fixture(scope="module")
def display() -> Quiet:
    return Quiet()


@pytest.fixture(scope="module")
def cross_dataset(images: Path, home: Path, other: Path, display: Quiet) -> RunFolder:
    return run(arguments(images, home, "name=cross", *across(other), ALL_METHODS), display)


def keys(rows: list[ResultRow]) -> set[tuple[str, str, str]]:
    return {(row.method, row.source, row.target) for row in rows}


def test_single_source_has_a_row_for_each_method_source_and_target(single_source: RunFolder) -> None:
    rows = read_results(single_source.results)
    pairs = [("art", "photo"), ("art", "sketch"), ("photo", "sketch")]
    shown = ("zero-shot", "linear-probe", "coop", "cocoop", "dpl", "spg")
    assert keys(rows) == {(method, source, target) for method in shown for source, target in pairs}
    assert len(rows) == 18
    assert {row.n for row in rows} == {18} and {row.protocol for row in rows} == {"single-source"}


def test_single_source_trains_one_file_for_each_method_and_source(single_source: RunFolder) -> None:
    found = {str(path.relative_to(single_source.root)) for path in single_source.root.rglob("*.safetensors")}
    folders = ("linear-probe", "coop", "cocoop", "dpl", "generators")
    expected = {f"{folder}/single-source-{s}-seed1.safetensors" for folder in folders for s in ("art", "photo")}
    assert found == expected | {f"prompt_labels/{s}-seed1.safetensors" for s in ("art", "photo")}


@pytest.mark.parametrize("method", ["linear-probe", "cocoop", "dpl"])
def test_a_run_stopped_in_a_baseline_ends_like_an_undisturbed_one(
    images: Path, home: Path, single_source: RunFolder, method: str
) -> None:
    config = arguments(images, home, f"name=stopped-{method}", *SINGLE_SOURCE)
    with pytest.raises(Interrupted):
        run(config, StopsAt(f"{method} photo", 1))
    assert (home / "runs" / f"stopped-{method}" / "checkpoints" / f"{method}-photo-seed1.safetensors").exists()
    assert outcome(single_source).differences(outcome(run(config))) == []


def test_single_source_predicts_from_the_named_source(single_source: RunFolder, images: Path, tmp_path: Path) -> None:
    """jobs/predict.py finds the generator of the run's own protocol."""
    written = tmp_path / "said.csv"
    predict.main(run=str(single_source.root), images=str(images / "sketch"), target="art", output=str(written))
    with written.open() as stream:
        rows = list(csv.DictReader(stream))
    methods = ("zero-shot", "linear-probe", "coop", "cocoop", "dpl", "spg")
    assert Counter(row["method"] for row in rows) == dict.fromkeys(methods, 18)


def test_cross_dataset_tests_every_method_on_the_whole_other_data_set(cross_dataset: RunFolder) -> None:
    rows = read_results(cross_dataset.results)
    assert keys(rows) == {(m, "Here", "Elsewhere") for m in ("zero-shot", "coop", "cocoop", "dpl", "spg")}
    assert {row.n for row in rows} == {20} and {row.dataset for row in rows} == {"Here"}


def test_rows_that_saw_all_test_images_at_once_say_so(cross_dataset: RunFolder) -> None:
    notes = {row.method: row.note for row in read_results(cross_dataset.results)}
    assert notes.pop("dpl").split("; ")[0] == "transductive: its prompt is a mean over the test images"
    assert not any("transductive" in note for note in notes.values())


def test_rows_whose_prompt_is_not_as_long_as_the_papers_say_so(cross_dataset: RunFolder) -> None:
    notes = {row.method: row.note.split("; ")[-1] for row in read_results(cross_dataset.results)}
    for method, label in (("coop", "CoOp"), ("cocoop", "CoCoOp"), ("dpl", "DPL")):
        assert notes[method] == f"4 context tokens (unlike the paper's {label} with 16)"
    assert not any("unlike the paper's" in notes[method] for method in ("zero-shot", "spg"))


def test_cross_dataset_predicts_the_other_data_sets_own_classes(cross_dataset: RunFolder) -> None:
    for method in ("zero-shot", "coop", "cocoop", "dpl", "spg"):
        spec = runs.RunSpec(method, "Here", None if method == "zero-shot" else 1, "cross-dataset")
        said = read_predictions(cross_dataset.predictions(runs.EvaluationSpec(spec, "Elsewhere")))
        assert len(said) == 20
        assert {truth for truth, _ in said.values()} == set(OTHER_CLASSES)
        assert {predicted for _, predicted in said.values()} <= set(OTHER_CLASSES)


def test_the_linear_probe_is_said_to_be_left_out_and_trains_nothing(cross_dataset: RunFolder, display: Quiet) -> None:
    assert "linear-probe: left out, for it knows only the classes it was trained on" in display.text.getvalue()
    assert not (cross_dataset.root / "linear-probe").exists()


def test_the_linear_probe_alone_is_refused_before_anything_is_encoded(
    images: Path, home: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(arguments(images, home, "name=probe", *across(other), "methods=[linear-probe]"))
    assert "linear-probe knows only the classes it was trained on" in capsys.readouterr().err


def test_cross_dataset_predictions_are_those_of_a_plain_loop(
    images: Path, home: Path, other: Path, cross_dataset: RunFolder
) -> None:
    """CoOp's prompt, learned here, with the class names and the images from there."""
    material = builder(images, home, "cross", *across(other)).build()
    place = material.on("Elsewhere")
    spec = runs.RunSpec("coop", "Here", 1, "cross-dataset")
    prompt = read_trained(cross_dataset.artifact(spec)).weights["prompt"]
    texts = F.normalize(place.encoder(4).plain(prompt[None])[0], dim=-1)
    said = read_predictions(cross_dataset.predictions(runs.EvaluationSpec(spec, "Elsewhere")))
    rows = place.test_rows("Elsewhere")
    assert sorted(rows) == list(range(20))
    for i, x_D in zip(rows, place.table.features(rows), strict=True):
        assert said[place.manifest.images[i].path][1] == OTHER_CLASSES[int(torch.argmax(texts @ x_D))]


def test_a_run_sees_the_train_and_val_splits_of_its_sources_alone(images: Path, home: Path, other: Path) -> None:
    experiments = {
        "multi-source": builder(images, home, "splits-multi"),
        "single-source": builder(images, home, "splits-single", "protocol=single-source"),
        "cross-dataset": builder(images, home, "splits-cross", *across(other)),
    }
    seen = {"multi-source": {"art", "sketch"}, "single-source": {"photo"}, "cross-dataset": set(DOMAINS)}
    for protocol, made in experiments.items():
        material = made.build()
        where = "Here" if protocol == "cross-dataset" else "photo"
        domains = material.sources(where)
        assert {material.manifest.domains[k] for k in domains} == seen[protocol]
        for splits, rows in (
            ("train", material.manifest.rows(domains, {"train"})),
            ("val", material.selection_rows(where, keep_left_out=True)),
        ):
            images_seen = [material.manifest.images[i] for i in rows]
            assert {material.manifest.domains[image.domain] for image in images_seen} == seen[protocol]
            assert {image.split for image in images_seen} == {splits}


def test_a_class_name_too_long_in_a_test_data_set_stops_the_run_before_training(
    images: Path, home: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "long", ("photo",), OTHER_CLASSES, each=5)
    name = "a_cat_with_many_words_in_its_name_more_than_the_text_tower_has_room_for_by_far"
    (root / "photo" / "cat").rename(root / "photo" / name)
    with pytest.raises(SystemExit):
        run(arguments(images, home, "name=long-there", *across(root), "methods=[coop]"))
    assert "a cat with many words" in capsys.readouterr().err
    assert not list((home / "runs" / "long-there").rglob("*.safetensors"))


def test_every_trained_method_is_among_those_run_here() -> None:
    assert all(method in ALL_METHODS for method in TRAINED_METHODS)
