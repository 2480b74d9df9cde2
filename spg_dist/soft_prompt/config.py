"""How one soft prompt is learned (stage 1 and the CoOp baseline)."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.training.sgd import SgdConfig


@dataclass(frozen=True)
class SoftPromptConfig(SgdConfig):
    """A soft prompt learned by cross-entropy with SGD (CoOp; SPG section 3.2)."""

    epochs: int = 50
    """Passes over the training features."""

    n_ctx: int = 4
    """Context tokens of the prompt."""

    initial_text: str = "a photo of a"
    """Text whose token embeddings start the prompt; empty = random (standard deviation 0.02)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_ctx < 1:
            raise ValueError(f"n_ctx is {self.n_ctx}, expected 1 or more")
