"""The activations of CLIP's text towers and their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from torch import Tensor, nn


@dataclass(frozen=True)
class Activation:
    """SiLU ("swish") or one form of GELU ("gelu", by the algorithm "none" or "tanh"), as torch names them to oneDNN."""

    name: str
    algorithm: str

    def __call__(self, x: Tensor) -> Tensor:
        return F.silu(x) if self.name == "swish" else F.gelu(x, approximate=self.algorithm)

    def gradient(self, grad: Tensor, x: Tensor) -> Tensor:
        """The gradient of `x` from that of the result."""
        result: Tensor
        if self.name == "swish":
            result = torch.ops.aten.silu_backward(grad, x)
        else:
            result = torch.ops.aten.gelu_backward(grad, x, approximate=self.algorithm)
        return result


ACTIVATIONS = (nn.GELU, QuickGELU)


def known_activation(module: nn.Module) -> tuple[Activation, float]:
    """What one of ACTIVATIONS computes, and the factor that its input is to have and its output then has too much.

    QuickGELU is SiLU so: x·sigmoid(1.702·x) = silu(1.702·x) / 1.702, one kernel in place of three.
    """
    if type(module) is QuickGELU:
        return Activation("swish", ""), 1.702
    return Activation("gelu", str(module.approximate)), 1.0
