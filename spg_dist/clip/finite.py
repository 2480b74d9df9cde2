"""Weights must be numbers: NaN and infinity are refused when they are loaded, for later they look like other faults."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NAMED_AT_MOST = 3


@torch.no_grad()
def require_finite(model: Any, said: str) -> None:
    """One pass over all weights. Masks, which hold -inf by right, are no part of a model's state.

    Arguments:
        said: the weights in words, for the message.

    Raises:
        ValueError: tensors with NaN or infinity, by name and count, or a logit scale whose exponential is infinite.
    """
    found = [f"{name} ({count:,} of {t.numel():,})" for name, t in model.state_dict().items() if (count := _bad(t))]
    if found:
        more = f" and {len(found) - NAMED_AT_MOST} more tensors" if len(found) > NAMED_AT_MOST else ""
        raise ValueError(
            f"{said} holds values that are NaN or infinite: {', '.join(found[:NAMED_AT_MOST])}{more}. No feature made "
            f"with them would mean anything: fetch or export the weights again, or take others"
        )
    if _bad(model.logit_scale.exp()):
        raise ValueError(
            f"{said} holds a logit_scale of {float(model.logit_scale):g}, whose exponential is infinite (CLIP keeps it "
            f"below 4.61): fetch or export the weights again, or take others"
        )


def _bad(tensor: Tensor) -> int:
    """Values that are NaN or infinite. A sum shows them in a third of the time that looking at each takes."""
    if not tensor.is_floating_point() or torch.isfinite(tensor.sum()):
        return 0
    return tensor.numel() - int(torch.isfinite(tensor).sum())
