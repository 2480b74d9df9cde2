"""The two halves of a frozen layer around its attention, beside open_clip's own block."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor

from spg_dist.clip.frozen_layers import frozen_layer

WIDTH = 32


def block(dtype: torch.dtype, **settings: Any) -> ResidualAttentionBlock:
    torch.manual_seed(1)
    made = ResidualAttentionBlock(WIDTH, 4, **settings).to(dtype)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.requires_grad_(False)


def numbers(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def closed_by(plain: ResidualAttentionBlock, x_RW: Tensor, mixed_RW: Tensor) -> Tensor:
    """What the block does behind its attention's mixing."""
    y_RW = x_RW + plain.ls_1(plain.attn.out_proj(mixed_RW))
    closed_RW: Tensor = y_RW + plain.ls_2(plain.mlp(plain.ln_2(y_RW)))
    return closed_RW


@pytest.mark.parametrize("needed", ["x", "mixed", "both"])
@pytest.mark.parametrize("settings", [{}, {"ls_init_value": 0.3}], ids=["plain", "layer scale"])
def test_the_half_behind_the_attention_has_the_blocks_values_and_gradients(
    needed: str, settings: dict[str, Any]
) -> None:
    plain = block(torch.float64, **settings)
    layer = frozen_layer(plain, torch.float64)
    x_RW, mixed_RW = numbers(7, WIDTH, seed=2), numbers(WIDTH, 7, seed=3).T  # not contiguous, as a view may be
    inputs = [
        tensor.requires_grad_() for name, tensor in (("x", x_RW), ("mixed", mixed_RW)) if needed in (name, "both")
    ]
    direction_RW = numbers(7, WIDTH, seed=4)
    found_RW, expected_RW = layer.close(x_RW, mixed_RW), closed_by(plain, x_RW, mixed_RW)
    torch.testing.assert_close(found_RW, expected_RW, rtol=0, atol=1e-12)
    found, expected = (torch.autograd.grad(result_RW, inputs, direction_RW) for result_RW in (found_RW, expected_RW))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_the_half_before_the_attention_has_the_blocks_values_and_gradients() -> None:
    plain = block(torch.float64)
    x_RW, direction_R3W = numbers(7, WIDTH, seed=2).requires_grad_(), numbers(7, 3 * WIDTH, seed=3)
    found_R3W = frozen_layer(plain, torch.float64).queries_keys_values(x_RW)
    attention = plain.attn
    expected_R3W = torch.nn.functional.linear(plain.ln_1(x_RW), attention.in_proj_weight, attention.in_proj_bias)
    torch.testing.assert_close(found_R3W, expected_R3W, rtol=0, atol=1e-12)
    found, expected = (torch.autograd.grad(y, x_RW, direction_R3W)[0] for y in (found_R3W, expected_R3W))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_what_a_layer_in_bf16_adds_to_keeps_fp32s_precision() -> None:
    plain = block(torch.float32)
    for zero in (plain.attn.out_proj.weight, plain.attn.out_proj.bias, plain.mlp.c_proj.weight, plain.mlp.c_proj.bias):
        torch.nn.init.zeros_(zero)
    x_RW, mixed_RW = numbers(7, WIDTH, seed=2, dtype=torch.float32), numbers(7, WIDTH, seed=3, dtype=torch.bfloat16)
    assert torch.equal(frozen_layer(plain, torch.bfloat16).close(x_RW, mixed_RW), x_RW)
