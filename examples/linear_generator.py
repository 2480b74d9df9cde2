"""A generator network of one's own, in one file that nothing else knows of: a single Linear layer.

    python jobs/full_pipeline.py plugins=[examples/linear_generator.py] stage2.generator=linear

Its settings are given by name, e.g. `stage2.generator_settings='{reach: 0.1}'`; `latent_width` is a field of
`stage2` that any network may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spg_dist.generators import Generator, Group, Linear, Sizes, groups_by_name, he_uniform


@dataclass(frozen=True)
class LinearSettings:
    """Width of the noise, and the largest entry of a prompt."""

    latent_width: int
    reach: float = 1.0

    def __post_init__(self) -> None:
        if not self.reach > 0:
            raise ValueError(f"the generator's reach is {self.reach}, expected more than 0")


class LinearGenerator(Generator):
    """reach · tanh(W · [z, x] + b)."""

    name: ClassVar[str] = "linear"
    Settings: ClassVar[type] = LinearSettings
    stacks: ClassVar[bool] = True  # all that it calls takes a leading dimension of runs

    def __init__(self, settings: LinearSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.noise_width, self.reach = settings.latent_width, settings.reach
        self.layer = Linear(self.noise_width + sizes.feature_width, sizes.n_ctx * sizes.text_width)

    def initialise(self, random: torch.Generator) -> None:
        he_uniform(self, random)

    def groups(self) -> dict[str, Group]:
        return groups_by_name(self, last=["layer.bias"])

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        prompts_BV: Tensor = self.layer(torch.cat([z_BZ, x_BD], dim=-1)).tanh()
        return self.reach * prompts_BV.unflatten(-1, self.prompt_shape)


GENERATOR = LinearGenerator
