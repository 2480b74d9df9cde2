"""The features of an epoch's steps for runs side by side: read once, then indexed on the device.

Shape suffixes: R runs, S steps of the longest epoch, B batch, D feature width, N rows that any of the runs trains on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spg_dist.features import FeatureTable


class EpochRows:
    """What the steps of an epoch read of a table.

    Arguments:
        train_rows: of each run.
        epochs: of each run; they differ where runs were resumed.
    """

    def __init__(self, table: FeatureTable, train_rows: Sequence[np.ndarray], epochs: Sequence[int]) -> None:
        self.table = table
        self._rows_N = np.unique(np.concatenate(train_rows))
        views = sorted(set(epochs)) if table.augmented else [0]  # without views every epoch sees the same features
        self._first_R = [len(self._rows_N) * (views.index(epoch) if table.augmented else 0) for epoch in epochs]
        self._x_ND = torch.cat([table.training_features(self._rows_N, epoch) for epoch in views])

    def place(self, steps: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Where the batches are: rows of the features and of the table, (S, R, B) each on the device.

        Arguments:
            steps: rows of the table (S of the run, B), run by run; shorter runs are filled up with anything.
        """
        rows_SRB = np.full((max(map(len, steps)), len(steps), steps[0].shape[1]), self._rows_N[0])
        place_SRB = np.zeros_like(rows_SRB)
        for r, rows_SB in enumerate(steps):
            rows_SRB[: len(rows_SB), r] = rows_SB
            place_SRB[: len(rows_SB), r] = self._first_R[r] + np.searchsorted(self._rows_N, rows_SB)
        return torch.from_numpy(place_SRB).to(self.table.device), torch.from_numpy(rows_SRB).to(self.table.device)

    def features(self, place: Tensor) -> Tensor:
        """Features (..., D) at the places (...)."""
        return self._x_ND[place]
