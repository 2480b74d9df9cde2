"""A frozen transformer layer around its attention: values as in open_clip's block, gradients written out.

Autograd sees two steps to a layer in place of seven: for the few rows of a soft prompt its bookkeeping costs as much as
a product. Every step takes rows apart from each other.

Shape suffixes: R rows (tokens), W text width, O width of a map's output, H width of the MLP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from open_clip.transformer import LayerScale, ResidualAttentionBlock
from torch import Tensor, nn

from spg_dist.clip.activation import ACTIVATIONS, Activation, known_activation
from spg_dist.clip.frozen_linear import FrozenLinear, frozen_linear


@dataclass(frozen=True, eq=False)
class FrozenNorm:
    """A LayerNorm over W."""

    shape: tuple[int, ...]
    weight_W: Tensor | None
    bias_W: Tensor | None
    eps: float

    def __call__(self, x_RW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The normed rows, and each row's mean and inverse deviation, which the gradient needs."""
        return torch.native_layer_norm(x_RW, self.shape, self.weight_W, self.bias_W, self.eps)

    def gradient(self, grad_RW: Tensor, x_RW: Tensor, mean_R1: Tensor, inverse_R1: Tensor) -> Tensor:
        """The gradient of x from that of the normed rows."""
        grad_x_RW: Tensor = torch.ops.aten.native_layer_norm_backward(
            grad_RW, x_RW, self.shape, mean_R1, inverse_R1, self.weight_W, self.bias_W, [True, False, False]
        )[0]
        return grad_x_RW


class NormedLinear(torch.autograd.Function):
    """`linear(norm(x))`: (R, W) to (R, O); differentiable once, in x."""

    @staticmethod
    def forward(ctx: Any, x_RW: Tensor, norm: FrozenNorm, linear: FrozenLinear) -> Tensor:
        normed_RW, *statistics = norm(x_RW)
        ctx.norm, ctx.linear = norm, linear
        ctx.save_for_backward(x_RW, *statistics)
        return linear(normed_RW)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_RO: Tensor) -> tuple[Tensor, None, None]:
        return ctx.norm.gradient(ctx.linear.gradient(grad_RO), *ctx.saved_tensors), None, None


class ResidualHalf(torch.autograd.Function):
    """What a layer does with the mixed values: `y = x + out(mixed)`, then `y + proj(activation(fc(norm(y))))`.

    x and y keep their own precision where the maps' is lower. Differentiable once, in x and the mixed values.
    """

    @staticmethod
    def forward(ctx: Any, x_RW: Tensor, mixed_RW: Tensor, layer: FrozenLayer) -> Tensor:
        y_RW = x_RW + layer.out(mixed_RW)
        normed_RW, *statistics = layer.ln_2(y_RW)
        if not any(ctx.needs_input_grad):
            return y_RW + layer.proj(layer.fc.activated(normed_RW, layer.activation))
        hidden_RH = layer.fc(normed_RW)
        ctx.layer = layer
        ctx.save_for_backward(hidden_RH, y_RW, *statistics)
        return y_RW + layer.proj(layer.activation(hidden_RH))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_RW: Tensor) -> tuple[Tensor, Tensor, None]:
        layer, (hidden_RH, *normed) = ctx.layer, ctx.saved_tensors
        grad_hidden_RH = layer.activation.gradient(layer.proj.gradient(grad_RW), hidden_RH)
        grad_y_RW = grad_RW + layer.ln_2.gradient(layer.fc.gradient(grad_hidden_RH), *normed)
        return grad_y_RW, layer.out.gradient(grad_y_RW), None


@dataclass(frozen=True, eq=False)
class FrozenLayer:
    """One ResidualAttentionBlock; layer scales and QuickGELU's factor are multiplied into its weights."""

    heads: int
    ln_1: FrozenNorm
    qkv: FrozenLinear
    out: FrozenLinear
    ln_2: FrozenNorm
    fc: FrozenLinear
    activation: Activation
    proj: FrozenLinear

    def queries_keys_values(self, x_RW: Tensor) -> Tensor:
        """(R, 3W), the layer's first half up to the attention."""
        qkv_R3W: Tensor = NormedLinear.apply(x_RW, self.ln_1, self.qkv)
        return qkv_R3W

    def close(self, x_RW: Tensor, mixed_RW: Tensor) -> Tensor:
        """(R, W), the rest of the layer once values are mixed."""
        closed_RW: Tensor = ResidualHalf.apply(x_RW, mixed_RW, self)
        return closed_RW


def frozen_norm(norm: nn.LayerNorm) -> FrozenNorm:
    """A LayerNorm, with or without weight and bias."""
    weight_W, bias_W = (None if given is None else given.detach() for given in (norm.weight, norm.bias))
    return FrozenNorm(tuple(norm.normalized_shape), weight_W, bias_W, norm.eps)


def can_be_frozen(block: Any) -> bool:
    """Whether `frozen_layer` knows all that a block does."""
    return type(block) is ResidualAttentionBlock and type(block.mlp.gelu) in ACTIVATIONS


@torch.no_grad()
def frozen_layer(block: Any, dtype: torch.dtype) -> FrozenLayer:
    """An open_clip ResidualAttentionBlock whose products are computed in `dtype`, its norms in their own."""
    attention, fc, proj = block.attn, block.mlp.c_fc, block.mlp.c_proj
    activation, sharpness = known_activation(block.mlp.gelu)
    scale_1, scale_2 = _scale(block.ls_1), _scale(block.ls_2)

    def linear(weight_OI: Tensor, bias_O: Tensor, scale_O: Tensor | float, of_bias: Tensor | float) -> FrozenLinear:
        return frozen_linear((weight_OI.T * scale_O).T.to(dtype), (bias_O * of_bias).to(dtype))

    return FrozenLayer(
        heads=attention.num_heads,
        ln_1=frozen_norm(block.ln_1),
        qkv=linear(attention.in_proj_weight, attention.in_proj_bias, 1.0, 1.0),
        out=linear(attention.out_proj.weight, attention.out_proj.bias, scale_1, scale_1),
        ln_2=frozen_norm(block.ln_2),
        fc=linear(fc.weight, fc.bias, sharpness, sharpness),
        activation=activation,
        proj=linear(proj.weight, proj.bias, scale_2 / sharpness, scale_2),
    )


def _scale(layer_scale: nn.Module) -> Tensor | float:
    """The factor of a LayerScale, 1 where there is none."""
    return layer_scale.gamma if isinstance(layer_scale, LayerScale) else 1.0
