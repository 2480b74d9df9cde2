"""What identifies a frozen image tower: architecture, weights, activation."""

from __future__ import annotations

import json
from typing import Any

import blake3
import torch
from torch import Tensor, nn


def weights_digest(tensors: dict[str, Tensor]) -> str:
    """Digest of tensors by name, shape, dtype and bytes (32 hex digits)."""
    digest = blake3.blake3()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest(length=16)


def backbone_fingerprint(image_tower: nn.Module, model_config: dict[str, Any], quick_gelu: bool) -> str:
    """Identity of image features: two towers with the same fingerprint give the same features for the same pixels."""
    architecture = {"embed_dim": model_config["embed_dim"], "vision": model_config["vision_cfg"]}
    record = {
        "architecture": architecture,
        "weights": weights_digest(image_tower.state_dict()),
        "activation": "quick_gelu" if quick_gelu else "gelu",
    }
    return json.dumps(record, sort_keys=True)


def text_fingerprint(model: nn.Module, model_config: dict[str, Any], quick_gelu: bool) -> str:
    """Identity of all that is not the image tower: text architecture, weights, logit scale, activation."""
    rest = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("visual.")}
    record = {
        "architecture": {"embed_dim": model_config["embed_dim"], "text": model_config["text_cfg"]},
        "weights": weights_digest(rest),
        "activation": "quick_gelu" if quick_gelu else "gelu",
    }
    return json.dumps(record, sort_keys=True)
