"""Load a frozen CLIP with the transform and activation that belong to its weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import nn

from spg_dist.clip.assumed import ACTIVATION, assumed_in_words, assumption_remark
from spg_dist.clip.card import ClipCard
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.fetching import fetch, first_line
from spg_dist.clip.fingerprint import backbone_fingerprint, text_fingerprint
from spg_dist.clip.finite import require_finite
from spg_dist.clip.models import model_config_of
from spg_dist.clip.quick_import import needed
from spg_dist.clip.tokenizer import Tokenizer, load_tokenizer, require_text_libraries
from spg_dist.clip.weights import Weights, find_weights

RANDOM_WEIGHTS_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Clip(ClipCard):
    """A frozen CLIP with its weights in memory.

    Arguments:
        model: the open_clip module in eval mode, no parameter requires a gradient, on `device`, fp32.
    """

    model: Any
    tokenizer: Tokenizer
    device: torch.device

    @property
    def logit_scale(self) -> float:
        """exp(logit_scale), the factor on cosines before the softmax.

        SigLIP's logit_bias is the same for all classes of an image: it changes neither probabilities nor the class.
        """
        return float(self.model.logit_scale.exp())


def pick_device(device: str) -> torch.device:
    """The torch device that a configuration names; `auto` = the accelerator if there is one."""
    if device != "auto":
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise ValueError(f"clip.device={device!r} is no torch device: {str(error).splitlines()[0]}") from error
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def _check_device(device: torch.device) -> None:
    """Allocate on it: a device that is named but not there should be one message."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"clip.device={device} cannot be used here: {reason} Use clip.device=auto") from error


def load_clip(config: ClipConfig, device: str | None = None) -> Clip:
    """Build the model, load its weights, freeze it.

    Raises:
        ValueError: unknown model, unknown or unreadable weights, an activation that the weights were not trained with.
    """
    model_config, name = model_config_of(config.model), config.model.replace("/", "-")
    require_text_libraries(config.model, model_config["text_cfg"])
    if "timm_model_name" in model_config["vision_cfg"]:
        needed("timm")
    weights = find_weights(config)
    quick_gelu = _activation(config, model_config, weights)
    tag = get_pretrained_cfg(name, weights.source) if weights.source else None
    if tag:  # before anything is built, so that a missing network is not taken for another fault
        fetch(tag, f"{weights.note} of {config.model}")
    tokenizer = load_tokenizer(name, model_config["text_cfg"])
    where = pick_device(device or config.device)
    _check_device(where)
    with torch.random.fork_rng(devices=[]), _quiet_open_clip():
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        model: Any = _create(config, weights, quick_gelu)
    if weights.source:  # what CoCa does not use of random weights is never set
        require_finite(model, f"{config.model} ({weights.note})")
    model.eval().requires_grad_(False).to(where)
    preprocess = dict(open_clip.get_model_preprocess_cfg(model))
    assumed = {field: preprocess[field] for field in weights.untold}
    if weights.source and weights.quick_gelu is None and config.activation == "auto":
        assumed = {ACTIVATION: quick_gelu, **assumed}
    return Clip(
        name=f"{config.model} ({weights.note}{assumed_in_words(assumed)})",
        model=model,
        tokenizer=tokenizer,
        preprocess=preprocess,
        fingerprint=backbone_fingerprint(model.visual, model_config, quick_gelu),
        text_fingerprint=text_fingerprint(model, model_config, quick_gelu),
        random_weights=weights.source is None,
        openai_weights=config.pretrained == "openai" or weights.note.startswith("OpenAI"),
        device=where,
        feature_width=_feature_width(config.model, model.visual, preprocess["size"]),
        remark=assumption_remark(name, weights.note, assumed),
    )


def _feature_width(name: str, image_tower: nn.Module, size: int | Sequence[int]) -> int:
    """Found by encoding one black image: towers do not agree on where they tell their width.

    Raises:
        ValueError: the tower does not take images of the size that it was configured for, or gives no single feature.
    """
    height, width = (size, size) if isinstance(size, int) else size
    device = next(image_tower.parameters()).device
    try:
        with torch.no_grad():
            made = image_tower(torch.zeros(1, 3, height, width, device=device))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise ValueError(
            f"the image tower of clip.model={name} cannot take images of {height} x {width} pixels, as its "
            f"configuration (vision_cfg.image_size) has it: {first_line(error)}"
        ) from error
    features = made[0] if isinstance(made, tuple) else made  # CoCa's gives tokens too
    if features.ndim != 2:
        raise ValueError(
            f"the image tower of clip.model={name} makes {tuple(features.shape)} of an image, expected one feature "
            f"(1, D): take another clip.model"
        )
    return int(features.shape[1])


def _activation(config: ClipConfig, model_config: dict[str, Any], weights: Weights) -> bool:
    """True for QuickGELU. An activation that contradicts the weights is an error: it would only give worse numbers."""
    named = bool(model_config.get("quick_gelu", False))
    asked = {"gelu": False, "quick_gelu": True, "auto": None}[config.activation]
    words = {True: "QuickGELU", False: "GELU"}
    if weights.quick_gelu is None:
        return named if asked is None else asked
    if asked is not None and asked != weights.quick_gelu:
        raise ValueError(
            f"clip.activation={config.activation}, but {weights.note} was trained with {words[weights.quick_gelu]}: "
            f"features would be silently wrong. Use clip.activation=auto"
        )
    if named and not weights.quick_gelu:
        raise ValueError(
            f"clip.model={config.model} computes QuickGELU, but {weights.note} was trained with GELU: "
            f"use the model name without -quickgelu"
        )
    return weights.quick_gelu


@contextmanager
def _quiet_open_clip() -> Iterator[None]:
    """open_clip logs each step at the root logger, and warns of activations that have been settled before."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(max(level, logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


_NOT_BUILT = (RuntimeError, AssertionError, KeyError, AttributeError, TypeError, ImportError, OSError)
"""What open_clip, timm and transformers raise where a model cannot be built or its weights do not fit."""


def _create(config: ClipConfig, weights: Weights, quick_gelu: bool) -> nn.Module:
    kept = ("mean", "std", "interpolation", "resize_mode", "fill_color")
    try:
        model: nn.Module = open_clip.create_model(
            config.model,
            pretrained=weights.source,
            require_pretrained=weights.source is not None,
            force_quick_gelu=quick_gelu,
            quick_gelu=quick_gelu,
            force_preprocess_cfg={name: weights.preprocess[name] for name in kept if name in weights.preprocess},
            pretrained_text=weights.source is not None,
        )
    except _NOT_BUILT as error:  # by the first difference it meets
        if weights.source is None:
            raise ValueError(f"clip.model={config.model} cannot be built: {_start_of(error)}") from error
        tags = ", ".join(list_pretrained_tags_by_model(config.model.replace("/", "-")))
        raise ValueError(
            f"weights {weights.source} do not load into {config.model}: {_start_of(error)} "
            f"Check that clip.model is the weights' architecture (tags known for it: {tags or 'none'})"
        ) from error
    return model


def _start_of(error: Exception) -> str:
    """The start of a message; torch lists every tensor of a model in its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] if lines else type(error).__name__
