"""How DPL is learned."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.training.sgd import SgdConfig


@dataclass
class DplConfig(SgdConfig):
    """Domain prompt learning (Zhang et al., 2021), with CoOp's optimizer settings, as the SPG paper compares them.

    DPL's own code has 16 tokens, SGD with rate 1e-3 and momentum 0.1, dropout of 0.1 behind the first layer (not here)
    and a batch of 32 from each domain, where this takes `batch_size` from all of them together.
    """

    n_ctx: int = 4
    """Context tokens of the prompt."""

    hidden_width: int = 512
    """Width of the two hidden layers that make a prompt from a feature."""

    test_batch: int = 0
    """Test images whose prompts are averaged into one; 0 = all images of the tested domain."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_ctx", "hidden_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.test_batch < 0:
            raise ValueError(f"test_batch is {self.test_batch}, expected 0 (the whole domain) or more")
