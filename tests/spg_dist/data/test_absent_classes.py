"""A folder of one's own may have domains that lack classes, where its owner says so; what that means is told."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from spg_dist import cli
from spg_dist.data import DataConfig, DatasetError, check_dataset, load_manifest, render
from spg_dist.testing.layouts import Tree

MEANING = "a target is tested on the classes that it has"


@pytest.fixture
def gap(toys: Tree) -> Tree:
    """The domain dusk has no images of the class "train"."""
    shutil.rmtree(toys.folder / "dusk" / "train")
    return toys


def test_a_gap_is_refused_with_the_field_that_allows_it(gap: Tree, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dusk has no images of train.*give data\.allow_absent_classes=true"):
        load_manifest(DataConfig("folder", str(gap.folder)), tmp_path)


@pytest.mark.parametrize("dataset", ["folder", "auto"])
def test_an_allowed_gap_leaves_all_class_names_and_is_told(gap: Tree, tmp_path: Path, dataset: str) -> None:
    manifest = load_manifest(DataConfig(dataset, str(gap.folder), allow_absent_classes=True), tmp_path)
    assert manifest.class_names == gap.class_names and manifest.domains == gap.domains
    assert manifest.counts() == {(0, 0): 4, (0, 1): 4, (1, 0): 4}
    (line,) = manifest.remarks
    assert "(dusk: train)" in line and MEANING in line


def test_where_nothing_is_absent_allowing_it_changes_nothing(toys: Tree, tmp_path: Path) -> None:
    config = DataConfig("folder", str(toys.folder), allow_absent_classes=True)
    assert load_manifest(config, tmp_path) == load_manifest(DataConfig("folder", str(toys.folder)), tmp_path)


def test_the_check_says_that_it_is_allowed_and_what_it_means(gap: Tree) -> None:
    text = io.StringIO()
    report = check_dataset(DataConfig("folder", str(gap.folder), allow_absent_classes=True))
    render(report, Console(file=text, width=300))
    assert report.ok and report.absent_classes == (("dusk", "train"),)
    assert f"1 classes absent from a domain (allowed: {MEANING}" in text.getvalue()


def test_the_command_line_allows_it(gap: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(gap.folder)]) == 1
    assert cli.main(["data", "check", str(gap.folder), "--allow-absent-classes"]) == 0
    assert "Problem" not in capsys.readouterr().out.split("Images by domain")[-1]


def test_a_class_too_small_to_be_split_stays_a_fault(gap: Tree, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (gap.folder / "dusk" / "red_car" / f"{number}.png").unlink()
    with pytest.raises(DatasetError, match="'red car' of domain 'dusk' has 1 image"):
        load_manifest(DataConfig("folder", str(gap.folder), allow_absent_classes=True), tmp_path)


def test_a_published_data_set_keeps_to_its_classes(pacs: Tree, tmp_path: Path) -> None:
    shutil.rmtree(pacs.folder / "spg_coop_splits")
    shutil.rmtree(pacs.folder / "images" / "photo" / "dog")
    with pytest.raises(DatasetError, match="photo has no images of dog") as caught:
        load_manifest(DataConfig("auto", str(pacs.folder), allow_absent_classes=True), tmp_path)
    assert "allow_absent_classes" not in str(caught.value)


@pytest.mark.parametrize(("dataset", "root"), [("pacs", "/x"), ("drawn", "")])
def test_it_is_refused_where_it_would_mean_nothing(dataset: str, root: str) -> None:
    with pytest.raises(ValueError, match=f"data.allow_absent_classes is true, but data.dataset is {dataset}"):
        DataConfig(dataset, root, allow_absent_classes=True)
