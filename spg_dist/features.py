"""The feature table: cached features as tensors, with the labels, domains and splits of their images.

Shape suffixes: N images, B batch, D feature width, M rows of a store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.data import Manifest


@dataclass(frozen=True)
class StoredView:
    """Features of one view as the store holds them.

    Arguments:
        features_MD: rows of the store, in its dtype (memory-mapped where the store allows it).
        row_N: row of each image of the table; -1 where this view was not encoded for an image.
    """

    features_MD: Tensor
    row_N: Tensor


class FeatureTable:
    """Unit-norm features of one data set.

    Arguments:
        manifest: images in the order of the table.
        plain: every image, as inference sees it.
        augmented: views of the training images; empty = train on the plain view.
        device: where batches are wanted.
    """

    def __init__(
        self, manifest: Manifest, plain: StoredView, augmented: list[StoredView], device: torch.device | str = "cpu"
    ) -> None:
        assert len(plain.row_N) == len(manifest.images)
        self.manifest = manifest
        self.plain = plain
        self.augmented = augmented
        self.device = torch.device(device)
        self.label_N = torch.tensor([image.label for image in manifest.images], device=self.device)
        self.domain_N = torch.tensor([image.domain for image in manifest.images], device=self.device)

    def __len__(self) -> int:
        return len(self.manifest.images)

    def features(self, rows_B: np.ndarray) -> Tensor:
        """Plain view, (B, D) float32 of unit norm on the device."""
        return self._read(self.plain, rows_B)

    def training_features(self, rows_B: np.ndarray, epoch: int) -> Tensor:
        """What training sees in an epoch, (B, D) float32 of unit norm on the device.

        With K augmented views, image i has view (epoch + i) mod K, so every epoch mixes all views.
        """
        if not self.augmented:
            return self.features(rows_B)
        view_B = (epoch + rows_B) % len(self.augmented)
        x_BD = torch.empty(len(rows_B), self.plain.features_MD.shape[1], dtype=torch.float32, device=self.device)
        for k in np.unique(view_B):
            here = np.flatnonzero(view_B == k)
            x_BD[torch.from_numpy(here).to(self.device)] = self._read(self.augmented[k], rows_B[here])
        return x_BD

    def _read(self, view: StoredView, rows_B: np.ndarray) -> Tensor:
        stored_rows = view.row_N[torch.from_numpy(rows_B)]
        assert bool((stored_rows >= 0).all()), "a view was asked for an image it was not encoded for"
        return unit_features(view.features_MD[stored_rows.to(view.features_MD.device)], self.device)


def unit_features(stored_BD: Tensor, device: torch.device) -> Tensor:
    """(B, D) float32 of unit norm on the device: float16 storage moves the norm by up to 5e-4."""
    return F.normalize(stored_BD.to(device, torch.float32), dim=-1)
