"""The contract of a published data set, for the test file of a module or plugin that adds one:

    @pytest.fixture
    def dataset() -> Iterator[PublishedDataset]:
        load_plugins(["my_data_set.py"])
        yield DATASETS["my-data-set"]
        forget_plugins()

    class TestMyDataSet(DatasetContract): ...

For one of our own modules there is nothing to write: our test runs over the whole table.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from spg_dist.data import DataConfig, DatasetError, check_dataset, load_manifest
from spg_dist.data.config import OTHER_NAMES
from spg_dist.data.datasets import DATASETS, PublishedDataset, plain, spaced
from spg_dist.testing.images import put_images

IMAGES_OF_A_CLASS = 4


def class_folders(dataset: PublishedDataset) -> list[str]:
    """Names for class folders of a small copy: the data set's own, or those of its gaps and some more."""
    gaps = {name for _, name in dataset.absent_classes}
    return list(dataset.class_names) or sorted(gaps | {"first", "second_one"}, key=plain)


def write_small_copy(dataset: PublishedDataset, folder: Path) -> None:
    """`<folder>/<domain>/<class>/<n>.png`, with the data set's own gaps."""
    for domain in dataset.domains:
        for name in class_folders(dataset):
            if (domain, name) not in dataset.absent_classes:
                put_images(folder, *(f"{domain}/{name}/{i}.png" for i in range(IMAGES_OF_A_CLASS)))


class DatasetContract:
    """Facts that agree among each other and with those of all other data sets, and a small copy that loads."""

    def test_it_is_found_by_a_name_that_means_nothing_else(self, dataset: PublishedDataset) -> None:
        assert DATASETS[dataset.name] == dataset
        assert dataset.name not in OTHER_NAMES
        for other in DATASETS:
            if other.name != dataset.name:
                assert not other.is_called(dataset.name) and not other.is_called(dataset.title)
                assert not any(other.is_called(folder) for folder in dataset.folders)

    def test_each_name_of_a_domain_means_one_domain(self, dataset: PublishedDataset) -> None:
        assert dataset.domains and set(dataset.other_domain_names) <= set(dataset.domains)
        for domain in dataset.domains:
            names = (domain, *dataset.other_domain_names.get(domain, ()))
            assert {dataset.canonical_domain(name) for name in names} == {domain}

    def test_it_has_as_many_classes_as_it_says(self, dataset: PublishedDataset) -> None:
        assert dataset.class_count > 0
        assert len(set(dataset.class_names)) == len(dataset.class_names)
        assert len(dataset.class_names) in (0, dataset.class_count)

    def test_its_gaps_are_classes_of_its_domains(self, dataset: PublishedDataset) -> None:
        assert {domain for domain, _ in dataset.absent_classes} <= set(dataset.domains)
        if dataset.class_names:
            assert {name for _, name in dataset.absent_classes} <= set(dataset.class_names)

    def test_each_release_has_counts_of_its_own_for_every_domain(self, dataset: PublishedDataset) -> None:
        every = [dataset.images, *dataset.other_releases.values()]
        assert all(counts.keys() == dataset.images.keys() and min(counts.values()) > 0 for counts in every)
        assert dataset.release(dataset.images) == "" and dataset.counts("") == dataset.images
        for name, counts in dataset.other_releases.items():
            assert dataset.release(counts) == name and dataset.counts(name) == counts

    def test_the_paper_uses_no_more_images_than_there_are(self, dataset: PublishedDataset) -> None:
        assert 0 <= dataset.images_of_paper <= sum(dataset.images.values())

    def test_class_folders_are_loaded_under_its_names(self, dataset: PublishedDataset, tmp_path: Path) -> None:
        folder = tmp_path / "data" / dataset.name
        write_small_copy(dataset, folder)
        manifest = load_manifest(DataConfig(dataset.name, str(folder)), tmp_path / "splits")
        assert (manifest.dataset, manifest.published) == (dataset.title, True)
        assert manifest.domains == tuple(sorted(dataset.domains))
        assert manifest.class_names == tuple(map(spaced, class_folders(dataset)))
        assert set(manifest.counts().values()) == {IMAGES_OF_A_CLASS}
        for root in (folder, folder.parent):
            assert load_manifest(DataConfig("auto", str(root)), tmp_path / "splits") == manifest

    @pytest.mark.parametrize("in_capitals", [False, True])
    def test_its_folder_is_found_under_every_name(
        self, dataset: PublishedDataset, tmp_path: Path, in_capitals: bool
    ) -> None:
        for number, name in enumerate((dataset.name, dataset.title, *dataset.folders)):
            above = tmp_path / str(number)
            write_small_copy(dataset, above / (name.upper() if in_capitals else name))
            assert load_manifest(DataConfig(dataset.name, str(above)), tmp_path).dataset == dataset.title

    def test_the_check_holds_it_against_the_published_counts(self, dataset: PublishedDataset, tmp_path: Path) -> None:
        write_small_copy(dataset, tmp_path / dataset.name)
        report = check_dataset(DataConfig(dataset.name, str(tmp_path)), decode=True)
        assert report.ok and not report.absent_classes and not report.unknown_folders
        assert report.published_images == dataset.images and report.published_classes == dataset.class_count
        assert Counter(domain for domain, _ in report.images) == {
            domain: len(class_folders(dataset)) - sum(gap == domain for gap, _ in dataset.absent_classes)
            for domain in dataset.domains
        }

    def test_any_other_gap_is_a_fault(self, dataset: PublishedDataset, tmp_path: Path) -> None:
        write_small_copy(dataset, tmp_path / dataset.name)
        domain, name = next(
            (domain, name)
            for domain in dataset.domains
            for name in class_folders(dataset)
            if not any(name == gap for _, gap in dataset.absent_classes)
        )
        for path in (tmp_path / dataset.name / domain / name).iterdir():
            path.unlink()
        with pytest.raises(DatasetError, match=f"domain {domain} has no images of {spaced(name)}"):
            load_manifest(DataConfig(dataset.name, str(tmp_path)), tmp_path / "splits")
