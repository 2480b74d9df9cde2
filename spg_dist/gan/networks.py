"""Generator and discriminator (SPG section 3.3; parameter names are the published implementation's).

Shape suffixes: B batch, D feature width, Z latent width, P context tokens, W text width, U hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

SLOPE = 0.2  # of every LeakyReLU
BATCH_NORM_EPS = 0.8  # the published code passes 0.8 in the place of eps, not of momentum


def init_linear(module: nn.Module, random: torch.Generator) -> None:
    """He-uniform weights for LeakyReLU, PyTorch's uniform biases; drawn from `random` so that a seed fixes them."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=random)
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.bias, -bound, bound, generator=random)


class Generator(nn.Module):
    """G(z, x): noise and an image feature to a soft prompt with entries in [-1, 1]."""

    def __init__(
        self, feature_width: int, latent_width: int, widths: Sequence[int], n_ctx: int, text_width: int
    ) -> None:
        super().__init__()
        self.prompt_shape, self.latent_width = (n_ctx, text_width), latent_width
        layers: list[nn.Module] = [nn.Linear(latent_width + feature_width, widths[0]), nn.LeakyReLU(SLOPE)]
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide, eps=BATCH_NORM_EPS), nn.LeakyReLU(SLOPE)]
        layers += [nn.Linear(widths[-1], n_ctx * text_width), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        """Prompts (B, P, W)."""
        prompts: Tensor = self.model(torch.cat([z_BZ, x_BD], dim=-1))
        return prompts.view(-1, *self.prompt_shape)


class Discriminator(nn.Module):
    """D(v, x): validity of prompt v for image feature x.

    Dropout is an argument: its masks come from the run's own random numbers, so a run is the same wherever and beside
    whatever else it trains. `width` is that of the layers that are dropped.
    """

    def __init__(self, feature_width: int, width: int, n_ctx: int, text_width: int, dropout: float) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.model = nn.Sequential(
            nn.Linear(n_ctx * text_width + feature_width, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, width),
            nn.Identity(),  # in the place of the first dropout: parameter names agree with published checkpoints
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, width),
            nn.Identity(),  # the second dropout
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, 1),
        )

    def forward(self, prompt_BPW: Tensor, x_BD: Tensor, keep_2BU: Tensor | None = None) -> Tensor:
        """Validity (B, 1). `keep_2BU`: which units the two dropout layers keep (bool or 0/1); None = no dropout."""
        h_BU = self.model[:3](torch.cat([prompt_BPW.flatten(1), x_BD], dim=-1))
        if keep_2BU is not None:
            h_BU = h_BU * keep_2BU[0] / (1 - self.dropout)
        h_BU = self.model[4:6](h_BU)
        if keep_2BU is not None:
            h_BU = h_BU * keep_2BU[1] / (1 - self.dropout)
        validity: Tensor = self.model[7:](h_BU)
        return validity
