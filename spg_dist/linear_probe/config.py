"""How the linear probe is learned."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.training.sgd import SgdConfig


@dataclass
class LinearProbeConfig(SgdConfig):
    """Logistic regression on unit-norm features, by SGD. The paper gives no settings: these are this project's.

    On features of unit norm the loss is smooth enough for a rate of 1 (its curvature is below 1), and smaller ones
    leave the weights far too small to tell similar classes apart.
    """

    epochs: int = 50
    """Passes over the training features."""

    learning_rate: float = 1.0
    """Peak learning rate of SGD."""

    weight_decay: float = 0.0
    """Weight decay of SGD."""
