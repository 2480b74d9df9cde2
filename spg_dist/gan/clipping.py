"""Gradient clipping, each parameter tensor by its own norm, with the limit its place in the network has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spg_dist.gan.config import ClipNorms
from spg_dist.gan.networks import Discriminator, Generator

NORM_GUARD = 1e-6  # torch's clip_grad_norm_ adds it to the norm; at a limit of 5e-8 it decides the result


def discriminator_limits(network: Discriminator, norms: ClipNorms) -> list[float]:
    """The largest norm of each parameter, in the order of `parameters()`."""
    last = len(network.model) - 1
    return [
        norms.d_edge
        if name.startswith(("model.0.", f"model.{last}."))
        else norms.d_weight
        if name.endswith("weight")
        else norms.d_bias
        for name, _ in network.named_parameters()
    ]


def generator_limits(network: Generator, norms: ClipNorms) -> list[float]:
    """The largest norm of each parameter, in the order of `parameters()`."""
    biased = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.BatchNorm1d)]
    last = [f"{name}.bias" for name in biased[-2:]]
    return [
        norms.g_weight if name.endswith("weight") else norms.g_bias_last if name in last else norms.g_bias
        for name, _ in network.named_parameters()
    ]


def clip_each(parameters: Sequence[Tensor], limits: Tensor) -> Tensor:
    """Scale each gradient to at most its limit, in place; returns the norms before (one per parameter).

    A gradient within its limit stays as it is; a larger one is scaled by min(1, limit / (norm + 1e-6)), as torch's
    clip_grad_norm_ does. torch would scale every gradient so: at a limit of 5e-8 that shrinks even one far below it
    twentyfold, which the published code avoids by asking for the norm first.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert len(gradients) == len(limits)
    norms = torch.stack(torch._foreach_norm(gradients))
    factors = torch.where(norms > limits, (limits / (norms + NORM_GUARD)).clamp(max=1.0), 1.0)
    torch._foreach_mul_(gradients, list(factors.unbind()))
    return norms
