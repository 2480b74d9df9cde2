"""The discriminator (SPG section 3.3; parameter names are the published implementation's).

Shape suffixes: B batch, D feature width, P context tokens, W text width, U hidden width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from spg_dist.generators import SLOPE, Dropout, Group, Linear, Sizes, groups_by_name


class Discriminator(nn.Module):
    """D(v, x): validity of prompt v for image feature x. `width` is that of the layers that are dropped."""

    stacks: ClassVar[bool] = True

    def __init__(self, sizes: Sizes, width: int, dropout: float) -> None:
        super().__init__()
        self.model = nn.Sequential(
            Linear(sizes.n_ctx * sizes.text_width + sizes.feature_width, width),
            nn.LeakyReLU(SLOPE),
            Linear(width, width),
            Dropout(dropout, width),
            nn.LeakyReLU(SLOPE),
            Linear(width, width),
            Dropout(dropout, width),
            nn.LeakyReLU(SLOPE),
            Linear(width, 1),
        )

    def groups(self) -> dict[str, Group]:
        """Weights and biases between the first layer and the last go by what they are."""
        edges: dict[str, Group] = {"model.0.": "first", f"model.{len(self.model) - 1}.": "last"}
        named = groups_by_name(self)
        return named | {name: edges[name[:8]] for name in named if name[:8] in edges}

    def forward(self, prompt_BPW: Tensor, x_BD: Tensor) -> Tensor:
        """Validity (B, 1)."""
        validity: Tensor = self.model(torch.cat([prompt_BPW.flatten(-2), x_BD], dim=-1))
        return validity
