"""A frozen transformer layer's weights, laid out for speed, and products with them.

Shape suffixes: R rows (tokens), I and O widths of a product's input and output, W text width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import LayerScale, QuickGELU
from torch import Tensor, nn

# A CPU's matrix library picks its kernel, and with it the order of a sum, by the matrices' shapes. Within these bounds
# MKL 2024 gave each row of a product the same bits whatever rows stood beside it, so that a prompt's result does not
# depend on which other prompts are encoded with it.
MOST_INNER = 512
LEAST_ROWS = 16


@dataclass(frozen=True)
class FrozenWeight:
    """A weight that is read along its rows in both directions: for few rows of activations, up to 1.5 times as fast."""

    weight_IO: Tensor

    @cached_property
    def transposed(self) -> Tensor:
        """(O, I): a copy for the backward pass, made when it is first needed."""
        return self.weight_IO.T.contiguous()


class FrozenProduct(torch.autograd.Function):
    """`residual + bias + x @ weight`, differentiable in residual and x; keeps no activation for the backward pass."""

    @staticmethod
    def forward(ctx: Any, residual_RO: Tensor | None, bias_O: Tensor, x_RI: Tensor, weight: FrozenWeight) -> Tensor:
        ctx.weight = weight
        start_RO = bias_O.expand(len(x_RI), -1).clone() if residual_RO is None else residual_RO + bias_O
        return add_product(start_RO, x_RI, weight.weight_IO)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_RO: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
        grad_RI = None
        if ctx.needs_input_grad[2]:
            weight_OI = ctx.weight.transposed
            grad_RI = add_product(grad_RO.new_zeros(len(grad_RO), weight_OI.shape[1]), grad_RO, weight_OI)
        return grad_RO if ctx.needs_input_grad[0] else None, None, grad_RI, None


def add_product(total_RO: Tensor, x_RI: Tensor, weight_IO: Tensor) -> Tensor:
    """`total + x @ weight`, in place where there are rows enough."""
    R = len(x_RI)
    if R < LEAST_ROWS:
        total_RO, x_RI = (F.pad(rows, (0, 0, 0, LEAST_ROWS - R)) for rows in (total_RO, x_RI))
    for x, weight in zip(x_RI.split(MOST_INNER, dim=1), weight_IO.split(MOST_INNER), strict=True):
        torch.addmm(total_RO, x, weight, out=total_RO)
    return total_RO[:R]


def product(bias_O: Tensor, x_RI: Tensor, weight: FrozenWeight, residual_RO: Tensor | None = None) -> Tensor:
    """`residual + bias + x @ weight` (R, O), computed in the weight's precision; a residual keeps its own."""
    if weight.weight_IO.dtype == torch.bfloat16:  # in one piece, summed in fp32: pieces would be rounded in between
        result_RO = torch.addmm(bias_O, x_RI, weight.weight_IO)
        return result_RO if residual_RO is None else residual_RO + result_RO
    exact_RO: Tensor = FrozenProduct.apply(residual_RO, bias_O, x_RI, weight)
    return exact_RO


@dataclass(frozen=True)
class FrozenLayer:
    """One ResidualAttentionBlock; weights are (I, O), layer scales and QuickGELU's factor multiplied into them."""

    ln_1: nn.Module
    ln_2: nn.Module
    activation: Callable[[Tensor], Tensor]
    heads: int
    in_weight: FrozenWeight
    in_bias: Tensor
    out_weight: FrozenWeight
    out_bias: Tensor
    fc_weight: FrozenWeight
    fc_bias: Tensor
    proj_weight: FrozenWeight
    proj_bias: Tensor

    def queries_keys_values(self, x_RW: Tensor) -> Tensor:
        """(R, 3W)."""
        return product(self.in_bias, self._normed(self.ln_1, x_RW), self.in_weight)

    def queries(self, x_RW: Tensor) -> Tensor:
        """(R, W)."""
        W = x_RW.shape[1]
        return product(self.in_bias[:W], self._normed(self.ln_1, x_RW), self._query_weight)

    def keys_values(self, x_RW: Tensor) -> Tensor:
        """(R, 2W)."""
        W = x_RW.shape[1]
        return product(self.in_bias[W:], self._normed(self.ln_1, x_RW), self._key_value_weight)

    def close(self, x_RW: Tensor, mixed_RW: Tensor) -> Tensor:
        """The rest of the layer once values are mixed: output projection, then the MLP."""
        x_RW = product(self.out_bias, mixed_RW, self.out_weight, x_RW)
        hidden = self.activation(product(self.fc_bias, self._normed(self.ln_2, x_RW), self.fc_weight))
        return product(self.proj_bias, hidden, self.proj_weight, x_RW)

    @cached_property
    def _query_weight(self) -> FrozenWeight:
        return FrozenWeight(self.in_weight.weight_IO[:, : len(self.out_bias)])

    @cached_property
    def _key_value_weight(self) -> FrozenWeight:
        return FrozenWeight(self.in_weight.weight_IO[:, len(self.out_bias) :])

    def _normed(self, norm: nn.Module, x_RW: Tensor) -> Tensor:
        normed_RW: Tensor = norm(x_RW)
        return normed_RW.to(self.in_bias.dtype)


@torch.no_grad()
def frozen_layer(block: Any, dtype: torch.dtype) -> FrozenLayer:
    """An open_clip ResidualAttentionBlock whose products are computed in `dtype`; its norms stay as they are."""
    attention, fc, activation, proj = block.attn, block.mlp.c_fc, block.mlp.gelu, block.mlp.c_proj
    scale_1, scale_2, sharpness = _scale(block.ls_1), _scale(block.ls_2), 1.0
    if isinstance(activation, QuickGELU):  # x·sigmoid(1.702·x) = silu(1.702·x) / 1.702, one kernel in place of three
        activation, sharpness = F.silu, 1.702

    def weight(linear_OI: Tensor, scale_O: Tensor | float) -> FrozenWeight:
        return FrozenWeight((linear_OI.T * scale_O).to(dtype).contiguous())

    return FrozenLayer(
        ln_1=block.ln_1,
        ln_2=block.ln_2,
        activation=activation,
        heads=attention.num_heads,
        in_weight=weight(attention.in_proj_weight, 1.0),
        in_bias=attention.in_proj_bias.to(dtype),
        out_weight=weight(attention.out_proj.weight, scale_1),
        out_bias=(attention.out_proj.bias * scale_1).to(dtype),
        fc_weight=weight(fc.weight, sharpness),
        fc_bias=(fc.bias * sharpness).to(dtype),
        proj_weight=weight(proj.weight, scale_2 / sharpness),
        proj_bias=(proj.bias * scale_2).to(dtype),
    )


def _scale(layer_scale: nn.Module) -> Tensor | float:
    """The factor of a LayerScale, 1 where there is none."""
    return layer_scale.gamma if isinstance(layer_scale, LayerScale) else 1.0
