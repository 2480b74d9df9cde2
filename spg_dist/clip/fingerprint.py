"""What identifies a frozen image tower: architecture, weights, activation."""

from __future__ import annotations

import json
from typing import Any

import blake3
import torch
from torch import nn


def weights_digest(module: nn.Module) -> str:
    """Digest of all parameters and buffers by name, shape, dtype and bytes (32 hex digits)."""
    digest = blake3.blake3()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest(length=16)


def backbone_fingerprint(image_tower: nn.Module, model_config: dict[str, Any], quick_gelu: bool) -> str:
    """Identity of image features: two towers with the same fingerprint give the same features for the same pixels."""
    architecture = {"embed_dim": model_config["embed_dim"], "vision": model_config["vision_cfg"]}
    record = {
        "architecture": architecture,
        "weights": weights_digest(image_tower),
        "activation": "quick_gelu" if quick_gelu else "gelu",
    }
    return json.dumps(record, sort_keys=True)
