"""Tensors of many runs side by side, (R, ...) each, and what is done with them for all runs at once.

Shape suffixes: R runs, A the first of these, B batch, I inputs, O outputs, M, K, N of a matrix product.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Places:
    """Where each run is in a stack: runs with more steps an epoch come first.

    So the runs that still have a step to make are the first ones at any time of an epoch.

    Arguments:
        steps: of an epoch, by the run's number.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        self._steps = steps
        self.numbers = sorted(range(len(steps)), key=lambda number: -steps[number])

    def of(self, run: int) -> int:
        return self.numbers.index(run)

    def busy(self, step: int) -> int:
        """How many runs have this step in an epoch."""
        return sum(self._steps[number] > step for number in self.numbers)

    def keep(self, runs: Container[int]) -> list[int]:
        """Let go of all other runs; returns the former places of those that stay, which close up."""
        staying = [place for place, number in enumerate(self.numbers) if number in runs]
        self.numbers = [self.numbers[place] for place in staying]
        return staying


class _Linear(torch.autograd.Function):
    """The weight's gradient comes in the weight's own layout, which the fused AdamW wants."""

    @staticmethod
    def forward(ctx: Any, x_ABI: Tensor, weight_AOI: Tensor, bias_AO: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_ABI, weight_AOI)
        out_ABO = products(x_ABI, weight_AOI.transpose(1, 2))
        return out_ABO if bias_AO is None else out_ABO.add_(bias_AO[:, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_ABO: Tensor) -> tuple[Tensor | None, ...]:
        x_ABI, weight_AOI = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            products(gradient_ABO, weight_AOI) if wants_x else None,
            products(gradient_ABO.transpose(1, 2), x_ABI) if wants_weight else None,
            gradient_ABO.sum(dim=1) if wants_bias else None,
        )


def linear(x_ABI: Tensor, weight_AOI: Tensor, bias_AO: Tensor | None = None) -> Tensor:
    """x · weightᵀ + bias (A, B, O), each run with its own weight; differentiable once."""
    out_ABO: Tensor = _Linear.apply(x_ABI, weight_AOI, bias_AO)
    return out_ABO


def products(left_RMK: Tensor, right_RKN: Tensor) -> Tensor:
    """Each run's matrix product (R, M, N), without a gradient.

    On a CPU one call a run: it costs nothing next to the arithmetic, and a batched product takes another path for one
    matrix than for several. An accelerator needs few, large calls.
    """
    if left_RMK.device.type != "cpu":
        return torch.bmm(left_RMK, right_RKN)
    out_RMN = left_RMK.new_empty(len(left_RMK), left_RMK.shape[1], right_RKN.shape[2])
    for left_MK, right_KN, out_MN in zip(left_RMK, right_RKN, out_RMN, strict=True):
        torch.mm(left_MK, right_KN, out=out_MN)
    return out_RMN
