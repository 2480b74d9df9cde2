"""The feature table: rows by domain and split, unit norm, mixing of augmented views, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView

WIDTH = 8
IMAGES = tuple(
    ImageRecord(f"{domain}/{label}/{i}.png", label, domain, "train" if i < 3 else "val")
    for domain in range(2)
    for label in range(2)
    for i in range(4)
)
MANIFEST = Manifest(
    "toy", Path("/nowhere"), ("a", "b"), ("art", "photo"), IMAGES, left_out=frozenset({"1/0/0.png", "0/1/3.png"})
)
TRAIN = torch.tensor([image.split == "train" for image in IMAGES])


def stored(seed: int, dtype: torch.dtype = torch.float16, train_only: bool = False) -> StoredView:
    """A store with more rows than the table has images, in an order of its own."""
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(40, WIDTH, generator=random).to(dtype)
    row_N = torch.randperm(40, generator=random)[: len(IMAGES)]
    return StoredView(features, torch.where(TRAIN, row_N, -1) if train_only else row_N)


def table(views: int = 0, dtype: torch.dtype = torch.float16) -> FeatureTable:
    return FeatureTable(MANIFEST, stored(0, dtype), [stored(k + 1, dtype, train_only=True) for k in range(views)])


def unit(view: StoredView, image: int) -> torch.Tensor:
    row = view.features_MD[int(view.row_N[image])].float()
    return row / row.norm()


def test_rows_are_those_of_the_domains_and_splits_in_order() -> None:
    assert table().manifest.rows({1}, {"val"}).tolist() == [11, 15]
    assert table().manifest.rows({0, 1}, {"train"}).tolist() == [
        i for i, image in enumerate(IMAGES) if image.split == "train"
    ]
    assert table().manifest.rows({0}).tolist() == list(range(8))
    assert table().manifest.rows(set()).dtype == np.int64


def test_images_left_out_by_the_protocol_are_kept_for_stage_1_only() -> None:
    assert set(table().manifest.rows({0, 1})) - set(table().manifest.rows({0, 1}, keep_left_out=False)) == {7, 8}
    assert table().manifest.rows({0}, {"val"}, keep_left_out=False).tolist() == [3]


def test_labels_and_domains_are_the_manifests() -> None:
    assert table().label_N.tolist() == [image.label for image in IMAGES]
    assert table().domain_N.tolist() == [image.domain for image in IMAGES]
    assert len(table()) == len(IMAGES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_features_are_the_stored_rows_in_float32_of_unit_norm(dtype: torch.dtype) -> None:
    made = table(dtype=dtype)
    x_BD = made.features(np.array([5, 0, 5]))
    assert x_BD.dtype == torch.float32
    torch.testing.assert_close(x_BD, torch.stack([unit(made.plain, i) for i in (5, 0, 5)]))
    torch.testing.assert_close(x_BD.norm(dim=-1), torch.ones(3))


def test_without_views_training_sees_the_plain_ones_in_every_epoch() -> None:
    made, rows = table(), np.array([0, 9, 2])
    assert all(torch.equal(made.training_features(rows, epoch), made.features(rows)) for epoch in range(3))


def test_image_i_has_view_epoch_plus_i_modulo_the_number_of_views() -> None:
    made = table(views=3)
    rows = made.manifest.rows({0, 1}, {"train"})[[4, 0, 7, 2, 2]]
    for epoch in range(7):
        expected = torch.stack([unit(made.augmented[(epoch + int(i)) % 3], int(i)) for i in rows])
        torch.testing.assert_close(made.training_features(rows, epoch), expected)


def test_every_epoch_mixes_all_views_and_an_image_meets_each_in_turn() -> None:
    made, image = table(views=3), np.array([4])
    seen = [made.training_features(image, epoch) for epoch in range(6)]
    assert len({tuple(x.flatten().tolist()) for x in seen}) == 3
    assert all(torch.equal(seen[epoch], seen[epoch + 3]) for epoch in range(3))


def test_an_augmented_view_of_a_val_image_is_never_handed_out() -> None:
    with pytest.raises(AssertionError, match="not encoded for"):
        table(views=2).training_features(np.array([0, 3]), 0)


def test_plain_features_of_val_images_are_there_beside_views() -> None:
    assert table(views=2).features(np.array([3])).shape == (1, WIDTH)
