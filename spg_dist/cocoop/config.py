"""How CoCoOp is learned."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.soft_prompt.config import SoftPromptConfig


@dataclass
class CocoopConfig(SoftPromptConfig):
    """Conditional context optimisation (Zhou et al., CVPR 2022) on the pooled sources.

    The SPG paper's baseline has 16 context tokens and batches of 32, as the presets have; CoCoOp's own paper has 4
    and batches of one.
    """

    epochs: int = 20
    """Passes over the training features."""
