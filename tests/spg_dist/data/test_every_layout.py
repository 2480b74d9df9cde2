"""The contracts of layouts and data sets, run over one small tree in each layout and over every data set of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from spg_dist.data import DataConfig, DatasetError, load_manifest
from spg_dist.data.datasets import DATASETS, PublishedDataset
from spg_dist.testing.datasets import DatasetContract
from spg_dist.testing.images import put_images
from spg_dist.testing.layouts import LayoutContract, Tree


class TestEveryLayout(LayoutContract):
    def test_the_parent_folder_will_not_do_for_a_folder_of_ones_own(self, tree: Tree, tmp_path: Path) -> None:
        if tree.dataset == "folder":
            with pytest.raises(DatasetError, match="no layout known"):
                load_manifest(self.config(tree, root=str(tree.folder.parent)), tmp_path / "splits")


@pytest.fixture(params=DATASETS.names())
def dataset(request: pytest.FixtureRequest) -> PublishedDataset:
    return DATASETS[request.param]


class TestEveryDataset(DatasetContract):
    pass


def test_classes_of_ones_own_may_be_called_as_splits_are(tmp_path: Path) -> None:
    put_images(tmp_path / "own", *(f"{d}/{c}/{i}.png" for d in ("a", "b") for c in ("test", "train") for i in range(4)))
    assert load_manifest(DataConfig("folder", str(tmp_path / "own")), tmp_path).class_names == ("test", "train")
