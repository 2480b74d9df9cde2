"""Linear maps with frozen weights: what they give, and their gradient."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from spg_dist.clip import frozen_linear as frozen_module
from spg_dist.clip.activation import known_activation
from spg_dist.clip.frozen_linear import frozen_linear


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("rows", [(1,), (2,), (25,), (1, 1), (3, 5)], ids=str)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 2e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
def test_result_and_gradient_are_those_of_a_linear_layer(
    rows: tuple[int, ...], dtype: torch.dtype, atol: float
) -> None:
    weight_OI, bias_O = numbers(96, 64, dtype=dtype), numbers(96, seed=1, dtype=dtype)
    x_RI, direction_RO = numbers(*rows, 64, seed=2, dtype=dtype).requires_grad_(), numbers(*rows, 96, dtype=dtype)
    expected_RO = F.linear(x_RI, weight_OI, bias_O)
    (expected_grad_RI,) = torch.autograd.grad(expected_RO, x_RI, direction_RO)

    linear = frozen_linear(weight_OI, bias_O)
    torch.testing.assert_close(linear(x_RI.detach()), expected_RO.detach(), rtol=0, atol=atol)
    torch.testing.assert_close(linear.gradient(direction_RO), expected_grad_RI, rtol=0, atol=atol)


def test_a_map_in_bf16_takes_fp32_and_rounds_only_at_its_ends() -> None:
    half = torch.bfloat16
    x_RI, weight_OI, bias_O = numbers(5, 64), numbers(96, 64, seed=1, dtype=half), numbers(96, dtype=half)
    result_RO = frozen_linear(weight_OI, bias_O)(x_RI)
    exact_RO = F.linear(x_RI.to(half).double(), weight_OI.double(), bias_O.double())
    assert result_RO.dtype == half
    torch.testing.assert_close(result_RO.double(), exact_RO, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=["fp32", "fp64", "bf16"])
@pytest.mark.parametrize(
    "module", [nn.GELU(), nn.GELU(approximate="tanh"), QuickGELU()], ids=["gelu", "gelu by tanh", "quick gelu"]
)
def test_an_activated_map_and_the_activations_gradient_are_open_clips(module: nn.Module, dtype: torch.dtype) -> None:
    x_RI, weight_OI = numbers(25, 64, dtype=dtype), numbers(96, 64, seed=1, dtype=dtype)
    bias_O, close = numbers(96, seed=2, dtype=dtype), {"rtol": 1e-5, "atol": 2e-5}
    if dtype == torch.bfloat16:
        close = {"rtol": 2**-6, "atol": 2**-4}
    activation, factor = known_activation(module)
    before_RO = F.linear(x_RI, weight_OI, bias_O).requires_grad_()
    expected_RO = module(before_RO)
    (expected_grad_RO,) = torch.autograd.grad(expected_RO, before_RO, expected_RO)

    linear = frozen_linear(factor * weight_OI, factor * bias_O)
    torch.testing.assert_close(linear.activated(x_RI, activation) / factor, expected_RO.detach(), **close)
    grad_RO = activation.gradient(expected_RO.detach(), factor * before_RO.detach())
    torch.testing.assert_close(grad_RO, expected_grad_RO, **close)


def laid_out(dtype: torch.dtype) -> bool:
    return frozen_linear(numbers(96, 64, dtype=dtype), None).weight_OI.is_mkldnn


def test_weights_are_laid_out_for_the_kernels_where_there_are_any() -> None:
    processor_has_them = torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")
    assert laid_out(torch.float32) or not processor_has_them
    assert laid_out(torch.bfloat16) == (laid_out(torch.float32) and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    assert not laid_out(torch.float64)


def refuses(*_: Any) -> Tensor:
    raise RuntimeError("this processor lacks the instructions")


def wrong(x_RI: Tensor, weight_OI: Tensor, *_: Any) -> Tensor:
    return x_RI.new_ones(len(x_RI), len(weight_OI)).to(weight_OI.dtype)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is built without oneDNN")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize(
    ("operator", "kernel"),
    [("_reorder_linear_weight", refuses), ("_linear_pointwise", refuses), ("_linear_pointwise", wrong)],
)
def test_the_plain_product_serves_where_the_kernels_refuse_or_are_wrong(
    operator: str, kernel: Callable[..., Tensor], dtype: torch.dtype
) -> None:
    library = torch.library.Library("mkldnn", "IMPL")
    for key in ("CPU", "MkldnnCPU"):
        library.impl(operator, kernel, key, allow_override=True)
    frozen_module._kernels_work.cache_clear()
    try:
        assert not laid_out(dtype)
    finally:
        library._destroy()
        frozen_module._kernels_work.cache_clear()
