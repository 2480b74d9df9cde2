"""A linear map with frozen weights, and its gradient.

On a CPU its products are oneDNN's, with each weight laid out for the kernels beforehand, as Inductor does for frozen
models: a weight then costs little more than its reading, which is what counts for the few rows of a soft prompt. Both
operators are torch's own but private; where they are not to be had, as on other processors and in float64, the plain
product serves. Whether a row's bits depend on the rows next to it is a property of the machine, and nobody's promise:
who needs to know asks it (`spg_dist/training/run_blocks.py`).

Shape suffixes: R rows (tokens), I and O widths of a map's input and output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.activation import Activation


@dataclass(frozen=True, eq=False)
class FrozenLinear:
    """`x @ weight.T + bias`, computed in the weight's precision; made by `frozen_linear`, and stays in its process."""

    weight_OI: Tensor
    """In oneDNN's layout where it `has_kernels`."""
    bias_O: Tensor | None

    def __call__(self, x_RI: Tensor) -> Tensor:
        """(R, O); leading dimensions of any number are rows."""
        if self.weight_OI.is_mkldnn:
            return self._by_kernel(x_RI, "none", "")
        return F.linear(x_RI.to(self.weight_OI.dtype), self.weight_OI, self.bias_O)

    def activated(self, x_RI: Tensor, activation: Activation) -> Tensor:
        """`activation(x @ weight.T + bias)`, without a second pass over the result where the kernels can do so."""
        if self.weight_OI.is_mkldnn:
            return self._by_kernel(x_RI, activation.name, activation.algorithm)
        return activation(self(x_RI))

    def gradient(self, grad_RO: Tensor) -> Tensor:
        """(R, I): the gradient of x from that of the result."""
        return self._transposed(grad_RO) if self.weight_OI.is_mkldnn else grad_RO @ self.weight_OI

    @cached_property
    def _transposed(self) -> FrozenLinear:
        """The backward pass's own copy of the weight, made when it is first needed."""
        return frozen_linear(self.weight_OI.to_dense().T, None)

    def _by_kernel(self, x_RI: Tensor, activation: str, algorithm: str) -> Tensor:
        kernel, weight_OI = torch.ops.mkldnn._linear_pointwise.default, self.weight_OI
        result_RO: Tensor = kernel(x_RI.to(weight_OI.dtype), weight_OI, self.bias_O, activation, (), algorithm)
        return result_RO


def frozen_linear(weight_OI: Tensor, bias_O: Tensor | None) -> FrozenLinear:
    """A linear map with its weight in the layout that its products are fastest in."""
    weight_OI = weight_OI.detach().contiguous()
    if has_kernels(weight_OI):
        weight_OI = torch.ops.mkldnn._reorder_linear_weight(weight_OI)
    return FrozenLinear(weight_OI, None if bias_O is None else bias_O.detach())


def has_kernels(weight_OI: Tensor) -> bool:
    """Whether oneDNN's kernels are at hand for a weight: in fp32 and, where the processor has it, bf16."""
    return weight_OI.device.type == "cpu" and _kernels_work(weight_OI.dtype)


@cache
def _kernels_work(dtype: torch.dtype) -> bool:
    """Whether weights of this type are laid out, multiplied by and read back here: tried once a process."""
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    weight_OI = torch.arange(32 * 32.0).reshape(32, 32).remainder(7).to(dtype)
    try:
        laid_out = FrozenLinear(torch.ops.mkldnn._reorder_linear_weight(weight_OI), None)
        result_OO, read_back_OI = laid_out(torch.eye(32)), laid_out.weight_OI.to_dense()
    except (AttributeError, RuntimeError):  # a torch without oneDNN, a processor without the instructions
        return False
    return torch.allclose(result_OO, weight_OI.T) and torch.equal(read_back_OI, weight_OI)
