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


def clip_each(gradients: Sequence[Tensor], limits_NR: Tensor) -> Tensor:
    """Scale the gradient of each parameter and run to at most its limit, in place; returns the norms before (N, R).

    A gradient within its limit stays as it is; a larger one is scaled by min(1, limit / (norm + 1e-6)), as torch's
    clip_grad_norm_ does. torch would scale every gradient so: at a limit of 5e-8 that shrinks even one far below it
    twentyfold, which the published code avoids by asking for the norm first.

    Arguments:
        gradients: of N parameters, (R, *shape) each.
    """
    norms_NR = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    assert norms_NR.shape == limits_NR.shape
    factors_NR = torch.where(norms_NR > limits_NR, (limits_NR / (norms_NR + NORM_GUARD)).clamp(max=1.0), 1.0)
    for gradient, factor_R in zip(gradients, factors_NR, strict=True):
        gradient.mul_(factor_R.view(-1, *[1] * (gradient.ndim - 1)))
    return norms_NR
