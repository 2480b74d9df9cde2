"""A layout that is one file of one's own: loaded, recognised and checked as ours are."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cache.extensions import forget_plugins, load_plugins
from spg_dist import cli
from spg_dist.data import DataConfig, DatasetError, check_dataset, load_manifest
from spg_dist.data.layouts import LAYOUTS
from spg_dist.testing.images import put_images
from spg_dist.testing.layouts import LayoutContract, Tree

PLUGIN = Path(__file__).with_name("csv_manifest.py")
DOMAINS, CLASSES = ("camera_1", "camera_2"), ("cup", "tea_pot")


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    load_plugins([str(PLUGIN)])
    yield
    forget_plugins()


def build(folder: Path, with_splits: bool) -> Tree:
    """All images in one folder, as camera traps have them: only the manifest knows what they are."""
    rows = [
        (f"all/{d[-1]}{c[0]}{i}.png", d, c, "val" if i == 3 else "train")
        for d in DOMAINS
        for c in CLASSES
        for i in range(4)
    ]
    put_images(folder, *(path for path, *_ in rows))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "domain", "class", "split"][: 4 if with_splits else 3])
        writer.writerows(row[: 4 if with_splits else 3] for row in rows)
    names = tuple(name.replace("_", " ") for name in CLASSES)
    class_of = {path: name for path, _, name, _ in rows}
    return Tree("csv-manifest", "folder", folder, DOMAINS, names, drawn=not with_splits, class_of=class_of)


@pytest.fixture(params=[True, False], ids=["with splits", "without"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return build(tmp_path / "data" / "traps", request.param)


class TestCsvManifest(LayoutContract):
    pass


def test_it_is_one_file_of_less_than_a_hundred_lines() -> None:
    assert len(PLUGIN.read_text(encoding="utf-8").splitlines()) < 100


def test_without_the_plugin_the_folder_is_in_no_known_layout(tree: Tree) -> None:
    assert "csv-manifest" in LAYOUTS.names()
    forget_plugins()
    with pytest.raises(DatasetError, match="no layout known for 'folder'"):
        check_dataset(DataConfig("folder", str(tree.folder)))


def test_images_that_it_does_not_name_are_listed(tree: Tree) -> None:
    put_images(tree.folder, "all/new.png")
    report = check_dataset(DataConfig("folder", str(tree.folder)))
    assert report.passed_over == (("all/new.png", "that manifest.csv does not name"),) and report.ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("all/1c0.png", "all/gone.png"), "names 1 images that are not there: all/gone.png"),
        (lambda text: text.replace("all/1c0.png", "../1c0.png"), "line 2: the path '../1c0.png' leaves"),
        (lambda text: text.replace("all/1c1.png", "all/1c0.png"), "expected each image once"),
        (lambda text: text.replace("camera_1", "", 1), "line 2: expected path, domain, class"),
    ],
)
def test_a_fault_in_it_is_named(tree: Tree, tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    file = tree.folder / "manifest.csv"
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        load_manifest(DataConfig("folder", str(tree.folder)), tmp_path)
    assert message in str(caught.value)


def test_the_command_line_takes_it(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    forget_plugins()
    assert cli.main(["data", "check", str(tree.folder), "--plugins", str(PLUGIN)]) == 0
    assert "Layout: CSV manifest" in capsys.readouterr().out
