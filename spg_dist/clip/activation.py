"""The activations of CLIP's text towers, their gradients, and what oneDNN's kernels call them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from torch import Tensor, nn


@dataclass(frozen=True)
class Activation:
    """SiLU or one form of GELU.

    Arguments:
        kernel: name and algorithm in oneDNN.
    """

    kernel: tuple[str, str]

    def __call__(self, x: Tensor) -> Tensor:
        name, approximate = self.kernel
        return F.silu(x) if name == "swish" else F.gelu(x, approximate=approximate)

    def gradient(self, grad: Tensor, x: Tensor) -> Tensor:
        """The gradient of `x` from that of the result."""
        name, approximate = self.kernel
        result: Tensor
        if name == "swish":
            result = torch.ops.aten.silu_backward(grad, x)
        else:
            result = torch.ops.aten.gelu_backward(grad, x, approximate=approximate)
        return result


ACTIVATIONS = (nn.GELU, QuickGELU)


def known_activation(module: nn.Module) -> tuple[Activation, float]:
    """What one of ACTIVATIONS computes, and the factor that its input is to have and its output then has too much.

    QuickGELU is SiLU so: x·sigmoid(1.702·x) = silu(1.702·x) / 1.702, one kernel in place of three.
    """
    if isinstance(module, QuickGELU):
        return Activation(("swish", "")), 1.702
    return Activation(("gelu", str(module.approximate))), 1.0
