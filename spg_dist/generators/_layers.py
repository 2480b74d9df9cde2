"""Layers that networks of stage 2 are made of: torch's own, which also take the parameters of several runs at once.

Shape suffixes: A runs, B batch, I inputs, U units.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.training.stacked import linear

SLOPE = 0.2  # of every LeakyReLU


class Linear(nn.Linear):
    """torch's; with weights (A, O, I) each run's inputs (A, B, I) by its own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.weight.ndim == 2 else linear(x, self.weight, self.bias)


class BatchNorm(nn.BatchNorm1d):
    """torch's; with weights (A, U) each run's units (A, B, U) by its own statistics, which move in place."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.ndim == 1:
            return super().forward(x)
        assert self.training and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        A, B, U = x.shape
        normed = F.batch_norm(
            x.transpose(0, 1).reshape(B, A * U),  # runs become further channels, which BatchNorm never mixes
            self.running_mean.flatten() if self.running_mean is not None else None,  # views: they move in place
            self.running_var.flatten() if self.running_var is not None else None,
            self.weight.flatten(),
            self.bias.flatten(),
            training=True,
            momentum=self.momentum or 0.0,
            eps=self.eps,
        )
        return normed.view(B, A, U).transpose(0, 1)


class Dropout(nn.Module):
    """Dropout with factors that are handed in: they come from the run's own random numbers, so a run is the same
    wherever it trains, and whatever trains with it.

    Arguments:
        rate: probability of a unit to be dropped.
        shape: of the units of one image, e.g. `Dropout(0.1, 512)` for (B, 512).
    """

    factor: Tensor | None
    """0 or 1 / (1 - rate), (B, *shape) or (A, B, *shape); None = no dropout."""

    def __init__(self, rate: float, *shape: int) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of a dropout is {rate}, expected a probability from 0 to below 1")
        self.rate, self.shape = rate, shape
        self.register_buffer("factor", None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.factor is None else x * self.factor


def he_uniform(module: nn.Module, random: torch.Generator) -> None:
    """He-uniform weights for LeakyReLU and PyTorch's uniform biases in all `nn.Linear` of a module."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=random)
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.bias, -bound, bound, generator=random)
