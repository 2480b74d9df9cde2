"""What is learned in one go: no epochs, no optimizer, nothing to resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spg_dist.evaluation.accuracy import percent_correct
from spg_dist.run import Run
from spg_dist.training.loop import Metrics


class Fitted:
    """A `Trainable` of one epoch whose weights are there already.

    Arguments:
        weights: what was learned.
        logits: of image features (B, D), (B, C); judges the run on its val rows.
    """

    def __init__(self, run: Run[Any], weights: dict[str, Tensor], logits: Callable[[Tensor], Tensor]) -> None:
        self._run, self._weights, self._logits = run, weights, logits

    def train_epoch(self, epoch: int) -> Metrics:
        return {}

    @torch.no_grad()
    def val_accuracy(self) -> float:
        x_BD, label_B = self._run.labelled(self._run.judged_rows)
        return percent_correct(self._logits(x_BD).argmax(dim=-1), label_B)

    def weights(self) -> dict[str, Tensor]:
        return self._weights

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """It has none: fitted anew, it is the same."""
