"""The paper's generator (SPG section 3.3): a perceptron of growing width; parameter names are the published ones.

Shape suffixes: B batch, D feature width, Z latent width, P context tokens, W text width.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from spg_dist.generators import SLOPE, BatchNorm, Generator, Group, Linear, Sizes, groups_by_name, he_uniform

BATCH_NORM_EPS = 0.8  # the published code passes 0.8 in the place of eps, not of momentum


@dataclass(frozen=True)
class MlpSettings:
    """Width of the noise, and hidden widths."""

    latent_width: int
    g_widths: list[int]

    def __post_init__(self) -> None:
        if self.latent_width < 1:
            raise ValueError(f"latent_width is {self.latent_width}, expected 1 or more")
        if len(self.g_widths) < 2 or min(self.g_widths) < 1:
            raise ValueError(
                f"g_widths is {self.g_widths}, expected at least two positive widths, e.g. [128, 256, 512, 1024]"
            )


class Mlp(Generator):
    """Prompts with entries in [-1, 1]."""

    name: ClassVar[str] = "mlp"
    Settings: ClassVar[type] = MlpSettings
    stacks: ClassVar[bool] = True

    def __init__(self, settings: MlpSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.noise_width = settings.latent_width
        widths = settings.g_widths
        layers: list[nn.Module] = [Linear(self.noise_width + sizes.feature_width, widths[0]), nn.LeakyReLU(SLOPE)]
        for narrow, wide in pairwise(widths):
            layers += [Linear(narrow, wide), BatchNorm(wide, eps=BATCH_NORM_EPS), nn.LeakyReLU(SLOPE)]
        layers += [Linear(widths[-1], sizes.n_ctx * sizes.text_width), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def initialise(self, random: torch.Generator) -> None:
        he_uniform(self, random)

    def groups(self) -> dict[str, Group]:
        """The last biases are those of the last BatchNorm and of the last Linear."""
        layers = len(self.model)
        return groups_by_name(self, last=(f"model.{layers - 4}.bias", f"model.{layers - 2}.bias"))

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        prompts: Tensor = self.model(torch.cat([z_BZ, x_BD], dim=-1)).unflatten(-1, self.prompt_shape)
        return prompts


GENERATOR = Mlp
