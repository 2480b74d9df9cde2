"""Logits W x + b.

Shape suffixes: B batch, C classes, D feature width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spg_dist.classifier.training import Classifier


class LinearProbe(Classifier):
    """One linear layer from features to classes, zero at the start: the loss is convex, so no start is a better one."""

    def __init__(self, feature_width: int, classes: int) -> None:
        super().__init__()
        self.weight_CD = nn.Parameter(torch.zeros(classes, feature_width))
        self.bias_C = nn.Parameter(torch.zeros(classes))

    def forward(self, x_BD: Tensor, group_B: Tensor) -> Tensor:
        """Logits (B, C)."""
        return x_BD @ self.weight_CD.T + self.bias_C
