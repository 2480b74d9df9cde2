"""All that is random in stage 2, drawn by each run from its own seed.

Shape suffixes: S steps, A runs, B batch, Z latent width, U hidden width, T steps of a block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spg_dist.gan.config import GanConfig
from spg_dist.generators import Dropout
from spg_dist.training.batches import random_batch, shuffled_batches
from spg_dist.training.seeds import numpy_random, torch_random

BLOCK_STEPS = 8  # drawn at once: one call instead of eight, at 1 MB a run


def image_noise(seed: int, draw: int, digests: Sequence[str], width: int) -> Tensor:
    """Noise z (B, Z) of images that are judged, in val, test and prediction alike.

    An image's depends on the run's seed, the number of the draw and the digest of its content alone, so that its prompt
    is the same alone, in any folder and in any order; and on every machine.
    """
    rows = [numpy_random(seed, "image noise", draw, digest).standard_normal(width, np.float32) for digest in digests]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, width)


def epoch_rows(train_rows: np.ndarray, batch: int, seed: int, epoch: int) -> np.ndarray:
    """Rows (S, 2, B) of each step's real and fake batch; both are batches of the run's own training rows."""
    random = numpy_random(seed, "gan", epoch)
    pairs = [(real, random_batch(train_rows, batch, random)) for real in shuffled_batches(train_rows, batch, random)]
    return np.asarray(pairs, dtype=np.int64)


class EpochNoise:
    """Noise and dropout of an epoch of several runs, a block of steps at a time.

    What a run draws depends on its seed, the epoch and its own sizes alone.

    Arguments:
        settings: configuration, seed and epoch of each run.
        batch: B, the same for all.
        noise_width: Z, that of the generators.
        g_layers: the generators' dropout layers.
    """

    def __init__(
        self,
        settings: Sequence[tuple[GanConfig, int, int]],
        batch: int,
        device: torch.device,
        noise_width: int,
        g_layers: Sequence[Dropout] = (),
    ) -> None:
        self.configs = [config for config, _, _ in settings]
        self.batch, self.device, self.noise_width = batch, device, noise_width
        self.g_layers = g_layers if any(layer.rate for layer in g_layers) else ()
        self.g_randoms = [torch_random(seed, "generator dropout", epoch, device=device) for _, seed, epoch in settings]
        self.randoms = [torch_random(seed, "gan noise", epoch, device=device) for _, seed, epoch in settings]
        self._z_TABZ = torch.empty(0)
        self._dropout_T2A3BU: Tensor | None = None
        self._g_dropout: list[Tensor] = []

    def step(self, step: int, runs: int) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """z_ABZ, dropout_2A3BU and g_dropout (see `StepInputs`) of the first runs. Steps must be asked for in order."""
        place = step % BLOCK_STEPS
        if place == 0:
            self._draw(runs)
        dropout, g_dropout = self._dropout_T2A3BU, [drawn[place, :runs] for drawn in self._g_dropout]
        return self._z_TABZ[place, :runs], None if dropout is None else dropout[place, :, :runs], g_dropout

    def _draw(self, runs: int) -> None:
        pairs = list(zip(self.configs[:runs], self.randoms[:runs], strict=True))
        z_shape = BLOCK_STEPS, self.batch, self.noise_width
        self._z_TABZ = torch.stack([torch.randn(z_shape, generator=r, device=self.device) for _, r in pairs], dim=1)
        if any(config.dropout for config in self.configs):
            self._dropout_T2A3BU = torch.stack([self._factors(config, random) for config, random in pairs], dim=2)
        self._g_dropout = [
            torch.stack([self._of_layer(layer, random) for random in self.g_randoms[:runs]], dim=1)
            for layer in self.g_layers
        ]

    def _of_layer(self, layer: Dropout, random: torch.Generator) -> Tensor:
        """The same of a layer of the generator in its one pass, (T, B, *shape)."""
        drawn = torch.rand((BLOCK_STEPS, self.batch, *layer.shape), generator=random, device=self.device)
        return drawn.ge_(layer.rate).div_(1 - layer.rate)

    def _factors(self, config: GanConfig, random: torch.Generator) -> Tensor:
        """What the units behind both dropout layers are multiplied by in the three passes of a step, (T, 2, 3B, U)."""
        shape = BLOCK_STEPS, 2, 3 * self.batch, config.d_width
        if not config.dropout:
            return torch.ones(shape, device=self.device)
        drawn = torch.rand(shape, generator=random, device=self.device)
        return drawn.ge_(config.dropout).div_(1 - config.dropout)
