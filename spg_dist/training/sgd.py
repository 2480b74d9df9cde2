"""Stochastic gradient descent over cached features."""

from __future__ import annotations

from dataclasses import dataclass, field

from spg_dist.training.schedule import ScheduleConfig
from spg_dist.training.validation import ValidationConfig


@dataclass(frozen=True)
class SgdConfig(ValidationConfig):
    """Cross-entropy by SGD with momentum: the published optimizer of stage 1 and of the baselines."""

    epochs: int = 20
    """Passes over the training features."""

    batch_size: int = 32
    """Features in a step."""

    learning_rate: float = 2e-3
    """Peak learning rate of SGD."""

    momentum: float = 0.9
    """Momentum of SGD."""

    weight_decay: float = 1e-4
    """Weight decay of SGD."""

    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """Learning rate by epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}, expected more than 0, e.g. 2e-3")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}, expected a number from 0 to below 1, e.g. 0.9")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay is {self.weight_decay}, expected 0 or more, e.g. 1e-4")
