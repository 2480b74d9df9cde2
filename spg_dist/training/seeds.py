"""Random numbers that depend on what they are for, not on what was drawn before.

So a resumed run draws what an undisturbed one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import blake3
import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. `derive(1, "spg", "sketch", "epoch", 3)`."""
    text = "|".join([str(seed), *map(str, purpose)])
    return int.from_bytes(blake3.blake3(text.encode()).digest(length=8), "little") >> 1


def numpy_random(seed: int, *purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derive(seed, *purpose))


def torch_random(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """On the CPU the same numbers on every machine; an accelerator draws its own, without a copy from the CPU."""
    import torch  # only where tensors are drawn: settings are read without it

    return torch.Generator(device).manual_seed(derive(seed, *purpose))
