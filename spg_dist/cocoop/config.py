"""How CoCoOp is learned."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.classifier.config import SgdConfig


@dataclass
class CocoopConfig(SgdConfig):
    """Conditional context optimisation (Zhou et al., CVPR 2022) on the pooled sources.

    The SPG paper's baseline has 16 context tokens and batches of 32, as the presets have; CoCoOp's own paper has 4
    and batches of one.
    """

    n_ctx: int = 4
    """Context tokens of the prompt."""

    initial_text: str = "a photo of a"
    """Text whose token embeddings start the prompt; empty = random (standard deviation 0.02)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_ctx < 1:
            raise ValueError(f"n_ctx is {self.n_ctx}, expected 1 or more")
