"""What is known of a CLIP without its weights in memory, remembered by all that determines it.

Fingerprints are of every weight, so taking them costs loading the model; a plan needs no more than the fingerprints.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from blake3 import blake3
from open_clip.pretrained import get_pretrained_cfg

from cache import CacheError, DigestIndex
from cache.durable import write_text
from spg_dist import __version__
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.models import model_config_of
from spg_dist.clip.weights import find_weights
from spg_dist.home import home

LIBRARIES = ("torch", "open_clip_torch")
"""Random weights, and how open_clip reads others, may change with these."""


@dataclass(frozen=True, kw_only=True)
class ClipCard:
    """A frozen CLIP by what identifies it.

    Arguments:
        name: model and weights in words, e.g. "ViT-B-16 (open_clip tag openai)".
        preprocess: open_clip's preprocessing fields (size, mean, std, interpolation, resize_mode, fill_color).
        fingerprint: architecture + digest of the image tower's weights + activation (part of the cache's key).
        text_fingerprint: the same for all that is outside the image tower (part of a trained run's identity).
        random_weights: True where the weights were never trained.
        openai_weights: True where they are OpenAI's, whose published results they are comparable with.
        feature_width: D, the width of image and text features.
        remark: what must be known before its figures; empty where nothing is to be said.
    """

    name: str
    preprocess: dict[str, Any]
    fingerprint: str
    text_fingerprint: str
    random_weights: bool
    openai_weights: bool
    feature_width: int
    remark: str = ""

    @property
    def digest(self) -> str:
        """Of both fingerprints and the preprocessing (32 hex digits): two with the same say the same of an image."""
        known = json.dumps([self.fingerprint, self.text_fingerprint, self.preprocess], sort_keys=True)
        return blake3(known.encode()).hexdigest(length=16)


def remember(config: ClipConfig, card: ClipCard) -> None:
    """Keep a card for the next plan; where the home cannot be written that plan loads the weights again."""
    known = {field.name: getattr(card, field.name) for field in fields(ClipCard)}
    with suppress(OSError, CacheError):
        write_text(_place(config), json.dumps(known, indent=1) + "\n")


def remembered(config: ClipConfig) -> ClipCard | None:
    """The card of these very weights; None where they were not loaded before, or cannot be: loading them says why."""
    try:
        return ClipCard(**json.loads(_place(config).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, CacheError):
        return None


def _place(config: ClipConfig) -> Path:
    """By model, activation, the file's bytes or the tag, and what its sidecar says."""
    weights, folder, name = find_weights(config), home() / "clip-cards", config.model.replace("/", "-")
    tag = get_pretrained_cfg(name, config.pretrained)
    path = None if tag or weights.source is None else weights.source
    digest = DigestIndex(folder).digest_files([path]).digests[0] if path else None
    versions = [__version__, *map(metadata.version, LIBRARIES)]
    known = [config.model, config.activation, model_config_of(config.model), asdict(weights), tag, digest, versions]
    return folder / f"{blake3(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest(length=16)}.json"
