"""The contract of a layout, for the test file of a module or plugin that adds one: build a small data set in it.

    @pytest.fixture
    def tree(tmp_path: Path) -> Iterator[Tree]:
        load_plugins(["my_layout.py"])
        yield Tree("my-layout", "folder", folder, domains, class_names, drawn=True)
        forget_plugins()

    class TestMyLayout(LayoutContract): ...

The folder above `tree.folder` should hold nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from spg_dist.data import DataConfig, check_dataset, load_manifest
from spg_dist.data.layouts import LAYOUTS


@dataclass
class Tree:
    """A data set on disk and what its manifest is to say.

    Arguments:
        layout: the layout's name.
        dataset: value of data.dataset; folder: the data set's own folder.
        domains, class_names: as expected in the manifest.
        drawn: whether the splits must be drawn.
        per_class: expected images by split, in each class of each domain.
        class_of: path -> class, of the images whose folder is not called as their class or its label.
    """

    layout: str
    dataset: str
    folder: Path
    domains: tuple[str, ...]
    class_names: tuple[str, ...]
    drawn: bool
    per_class: dict[str, int] = field(default_factory=lambda: {"train": 3, "val": 1})
    class_of: dict[str, str] = field(default_factory=dict)


def contents(folder: Path) -> dict[str, int]:
    """Path and time of modification (nanoseconds) of all that lies in a folder."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


class LayoutContract:
    """Names, labels and splits as expected, the same in every call, and nothing written into the data set."""

    def config(self, tree: Tree, **changes: Any) -> DataConfig:
        return DataConfig(**{"dataset": tree.dataset, "root": str(tree.folder), **changes})

    def test_the_layout_matches_this_folder_and_no_empty_one(self, tree: Tree, tmp_path: Path) -> None:
        layout = LAYOUTS[tree.layout]
        (tmp_path / "empty").mkdir()
        assert layout.matches(tree.folder) and not layout.matches(tmp_path / "empty")
        assert layout.serves_folder or tree.dataset != "folder"

    def test_its_rank_is_its_own_and_it_is_the_first_that_matches(self, tree: Tree) -> None:
        layout = LAYOUTS[tree.layout]
        assert [other.name for other in LAYOUTS if other.rank == layout.rank] == [layout.name]
        assert check_dataset(self.config(tree)).layout == layout.title

    def test_names_domains_and_classes_as_published(self, tree: Tree, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert manifest.domains == tree.domains
        assert manifest.class_names == tree.class_names
        assert manifest.root == tree.folder

    def test_every_image_is_there_once_in_the_fixed_order(self, tree: Tree, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert all(manifest.absolute(image).is_file() for image in manifest.images)
        assert len({image.path for image in manifest.images}) == len(manifest.images)
        assert list(manifest.images) == sorted(manifest.images, key=lambda i: (i.domain, i.label, i.path))

    def test_each_image_has_its_class(self, tree: Tree, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        for image in manifest.images:
            name = manifest.class_names[image.label]
            said = tree.class_of.get(image.path, image.path.split("/")[-2])
            assert said in (name, name.replace(" ", "_"), str(image.label))

    def test_each_class_of_each_domain_has_the_expected_splits(self, tree: Tree, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        counts = Counter((image.domain, image.label, image.split) for image in manifest.images)
        expected = {
            (domain, label, split): count
            for domain in range(len(tree.domains))
            for label in range(len(tree.class_names))
            for split, count in tree.per_class.items()
        }
        assert counts == expected

    def test_is_drawn_only_without_published_splits(self, tree: Tree, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert (tmp_path / "splits").exists() == tree.drawn
        assert ("drawn with seed 1" in manifest.splits_source) == tree.drawn

    def test_nothing_is_written_into_the_data_set(self, tree: Tree, tmp_path: Path) -> None:
        before = contents(tree.folder)
        load_manifest(self.config(tree), tmp_path / "splits")
        check_dataset(self.config(tree), decode=True)
        assert contents(tree.folder) == before

    def test_loading_again_gives_the_same_manifest(self, tree: Tree, tmp_path: Path) -> None:
        first = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree), tmp_path / "splits") == first

    def test_the_parent_folder_will_do_for_a_published_data_set(self, tree: Tree, tmp_path: Path) -> None:
        if tree.dataset == "folder":
            pytest.skip("any folder may be a data set of one's own, so only its own is unambiguous")
        inside = load_manifest(self.config(tree), tmp_path / "splits")
        outside = self.config(tree, root=str(tree.folder.parent))
        assert load_manifest(outside, tmp_path / "splits") == inside

    def test_images_given_as_root_keep_the_published_splits_next_to_them(self, tree: Tree, tmp_path: Path) -> None:
        if not (LAYOUTS[tree.layout].splits_next_to_images and (tree.folder / "images").is_dir()):
            pytest.skip("this layout has no split files next to images/")
        above = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree, root=str(tree.folder / "images")), tmp_path / "splits") == above

    def test_auto_recognises_it(self, tree: Tree, tmp_path: Path) -> None:
        named = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree, dataset="auto"), tmp_path / "splits") == named

    def test_the_check_finds_no_fault(self, tree: Tree) -> None:
        report = check_dataset(self.config(tree), decode=True)
        assert report.ok
        assert not (report.absent_images or report.absent_classes or report.unreadable or report.unknown_folders)
        assert not (report.passed_over or report.pixels_matter or report.release)
        assert report.domains == tree.domains
        assert sum(report.images.values()) >= sum(tree.per_class.values()) * len(tree.domains) * len(tree.class_names)
