"""What an optimizer remembers between two steps, as named tensors for a checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Momentum or moments of every parameter, by `<number of the parameter>/<name>`; empty before the first step."""
    return {
        f"{number}/{name}": tensor
        for number, moments in optimizer.state_dict()["state"].items()
        for name, tensor in moments.items()
        if tensor is not None  # SGD without momentum has an entry, but nothing in it
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Go on from a former `optimizer_state`; the optimizer must have the same parameters in the same order."""
    stored = optimizer.state_dict()
    stored["state"] = {}
    for key, tensor in state.items():
        number, name = key.split("/")
        stored["state"].setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(stored)


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
