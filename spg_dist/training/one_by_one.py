"""Runs without a program of their own for many: a group that trains run after run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from spg_dist.training.loop import Metrics


class Trainable(Protocol):
    """One run, as `RunGroup` describes it."""

    def train_epoch(self, epoch: int) -> Metrics: ...

    def val_accuracy(self) -> float: ...

    def weights(self) -> dict[str, Tensor]: ...

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: dict[str, Tensor]) -> None: ...


class OneByOne:
    """Runs that share nothing."""

    def __init__(self, runs: Sequence[Trainable]) -> None:
        self.runs = runs

    def train_epoch(self, epochs: Mapping[int, int]) -> dict[int, Metrics]:
        return {run: self.runs[run].train_epoch(epoch) for run, epoch in epochs.items()}

    def val_accuracy(self, run: int) -> float:
        return self.runs[run].val_accuracy()

    def weights(self, run: int) -> dict[str, Tensor]:
        return self.runs[run].weights()

    def state(self, run: int) -> dict[str, Tensor]:
        return self.runs[run].state()

    def load_state(self, run: int, state: dict[str, Tensor]) -> None:
        self.runs[run].load_state(state)
