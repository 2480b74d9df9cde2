"""Learning rate by epoch, as the published implementation's scheduler (Dassl) gives it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ScheduleConfig:
    """Warm-up, then a cosine whose period is all epochs, so that it ends above zero."""

    warmup_epochs: int = 1
    """Epochs of warm-up."""

    warmup_kind: Literal["constant", "linear"] = "constant"
    """`constant` stays at warmup_rate; `linear` starts there and goes on with learning_rate * epoch / warmup_epochs."""

    warmup_rate: float = 1e-5
    """Learning rate of the first epoch of warm-up."""

    def __post_init__(self) -> None:
        if self.warmup_epochs < 0 or self.warmup_rate < 0:
            raise ValueError(
                f"warm-up of {self.warmup_epochs} epochs at rate {self.warmup_rate}: expected both to be zero or more"
            )


def learning_rates(learning_rate: float, epochs: int, schedule: ScheduleConfig) -> list[float]:
    """The rate used during each of `epochs` epochs.

    Behind the warm-up of w epochs, epoch e has learning_rate / 2 * (1 + cos(pi (e - w) / epochs)).
    """
    return [_rate(learning_rate, epochs, schedule, epoch) for epoch in range(epochs)]


def _rate(learning_rate: float, epochs: int, schedule: ScheduleConfig, epoch: int) -> float:
    w = schedule.warmup_epochs
    if epoch >= w:
        return learning_rate / 2 * (1 + math.cos(math.pi * (epoch - w) / epochs))
    if epoch == 0 or schedule.warmup_kind == "constant":
        return schedule.warmup_rate
    return learning_rate * epoch / w
