"""The protocol that every layout must fulfil, run over one small tree in each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spg_dist.data import DataConfig, DatasetError, check_dataset, load_manifest


def contents(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


class TestEveryLayout:
    def config(self, tree: Any, **changes: Any) -> DataConfig:
        return DataConfig(**{"dataset": tree.dataset, "root": str(tree.folder), **changes})

    def test_names_domains_and_classes_as_published(self, tree: Any, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert manifest.domains == tree.domains
        assert manifest.class_names == tree.class_names
        assert manifest.root == tree.folder

    def test_every_image_is_there_once_in_the_fixed_order(self, tree: Any, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert all(manifest.absolute(image).is_file() for image in manifest.images)
        assert len({image.path for image in manifest.images}) == len(manifest.images)
        assert list(manifest.images) == sorted(manifest.images, key=lambda i: (i.domain, i.label, i.path))

    def test_label_and_domain_are_those_of_the_path(self, tree: Any, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        for image in manifest.images:
            name = manifest.class_names[image.label].replace(" ", "_")
            assert f"/{name}/" in image.path or f"/{image.label}/" in image.path

    def test_each_class_of_each_domain_has_the_expected_splits(self, tree: Any, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        counts = Counter((image.domain, image.label, image.split) for image in manifest.images)
        expected = {
            (domain, label, split): count
            for domain in range(len(tree.domains))
            for label in range(len(tree.class_names))
            for split, count in tree.per_class.items()
        }
        assert counts == expected

    def test_is_drawn_only_without_published_splits(self, tree: Any, tmp_path: Path) -> None:
        manifest = load_manifest(self.config(tree), tmp_path / "splits")
        assert (tmp_path / "splits").exists() == tree.drawn
        assert ("drawn with seed 1" in manifest.splits_source) == tree.drawn

    def test_nothing_is_written_into_the_data_set(self, tree: Any, tmp_path: Path) -> None:
        before = contents(tree.folder)
        load_manifest(self.config(tree), tmp_path / "splits")
        check_dataset(self.config(tree), decode=True)
        assert contents(tree.folder) == before

    def test_loading_again_gives_the_same_manifest(self, tree: Any, tmp_path: Path) -> None:
        first = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree), tmp_path / "splits") == first

    def test_the_parent_folder_will_do_for_published_data_sets_only(self, tree: Any, tmp_path: Path) -> None:
        inside = load_manifest(self.config(tree), tmp_path / "splits")
        outside = self.config(tree, root=str(tree.folder.parent))
        if tree.dataset == "folder":
            # Any folder may be a data set of the user's own, so only its own folder is unambiguous.
            with pytest.raises(DatasetError, match="no layout known"):
                load_manifest(outside, tmp_path / "splits")
        else:
            assert load_manifest(outside, tmp_path / "splits") == inside

    def test_images_given_as_root_keep_the_published_splits_next_to_them(self, tree: Any, tmp_path: Path) -> None:
        if tree.drawn or not (tree.folder / "images").is_dir():
            pytest.skip("this layout has no split files next to images/")
        above = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree, root=str(tree.folder / "images")), tmp_path / "splits") == above

    def test_auto_recognises_it(self, tree: Any, tmp_path: Path) -> None:
        named = load_manifest(self.config(tree), tmp_path / "splits")
        assert load_manifest(self.config(tree, dataset="auto"), tmp_path / "splits") == named

    def test_the_check_finds_no_fault(self, tree: Any) -> None:
        report = check_dataset(self.config(tree), decode=True)
        assert report.ok
        assert not (report.absent_images or report.absent_classes or report.unreadable or report.unknown_folders)
        assert not (report.passed_over or report.pixels_matter or report.release)
        assert report.domains == tree.domains
        assert sum(report.images.values()) >= sum(tree.per_class.values()) * len(tree.domains) * len(tree.class_names)
