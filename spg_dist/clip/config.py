"""Which CLIP to freeze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActivationName = Literal["auto", "gelu", "quick_gelu"]
TextPrecision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class ClipConfig:
    """The frozen CLIP: any open_clip model and its weights."""

    model: str = "tiny-rn"
    """open_clip model name, e.g. `ViT-B-16`, `RN50`; `tiny-rn` is the embedded one."""

    pretrained: str = "embedded"
    """Weights: `embedded` (for `tiny-rn`), an open_clip tag such as `openai`, a local file (safetensors, state dict,
    OpenAI TorchScript archive; with its `open_clip_config.json` next to it), or `random` for untrained weights, whose
    results say so."""

    activation: ActivationName = "auto"
    """Activation of the MLPs. `auto` takes the one that belongs to the weights; another value must agree with them."""

    device: str = "auto"
    """torch device, e.g. `cpu`, `cuda`, `cuda:1`; `auto` takes the accelerator if there is one."""

    text_precision: TextPrecision = "fp32"
    """Arithmetic of the class texts in val and test; training always computes in fp32. `bf16` is about three times as
    fast on a CPU with AMX."""
