"""Gradient clipping, each parameter tensor by its own norm, with the limit that its group in the network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from spg_dist.gan.config import ClipNorms
from spg_dist.gan.discriminator import Discriminator
from spg_dist.generators import Generator, Group

NORM_GUARD = 1e-6  # torch's clip_grad_norm_ adds it to the norm; at a limit of 5e-8 it decides the result


def discriminator_limits(network: Discriminator, norms: ClipNorms) -> list[float]:
    """The largest norm of each parameter, in the order of `parameters()`."""
    by_group: dict[Group, float] = {"first": norms.d_edge, "last": norms.d_edge}
    by_group |= {"weight": norms.d_weight, "bias": norms.d_bias}
    return _limits("the discriminator", network, network.groups(), by_group)


def generator_limits(network: Generator, norms: ClipNorms) -> list[float]:
    """The largest norm of each parameter, in the order of `parameters()`.

    Raises:
        ValueError: the network puts a parameter in no group that a generator has.
    """
    by_group: dict[Group, float] = {"weight": norms.g_weight, "last": norms.g_bias_last, "bias": norms.g_bias}
    return _limits(f"the generator {network.name!r}", network, network.groups(), by_group)


def _limits(what: str, network: nn.Module, groups: Mapping[str, Group], by_group: Mapping[Group, float]) -> list[float]:
    names = [name for name, _ in network.named_parameters()]
    for name in (*names, *groups):
        if name not in names:
            raise ValueError(f"{what} has a group for {name!r}, which is none of its parameters")
        if groups.get(name) not in by_group:
            said = f"in the group {groups[name]!r}" if name in groups else "in no group"
            raise ValueError(f"{what} puts its parameter {name!r} {said}, expected one of {', '.join(by_group)}")
    return [by_group[groups[name]] for name in names]


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
