"""The models that can be named: open_clip's, and the embedded one."""

from __future__ import annotations

import difflib
from typing import Any

import open_clip
from open_clip.factory import get_model_config

from spg_dist.embedded import tiny_clip_files


def model_config_of(name: str) -> dict[str, Any]:
    """open_clip's configuration of a model. Raises ValueError where there is none of this name."""
    if ":" in name:
        raise ValueError(
            f"clip.model={name!r} names a place, expected an open_clip model name such as ViT-B-16: "
            f"download the weights and give their path as clip.pretrained"
        )
    open_clip.add_model_config(tiny_clip_files()[0])
    stored = get_model_config(name.replace("/", "-"))
    if stored is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), n=3, cutoff=0.4)
        raise ValueError(f"clip.model={name!r} is not known to open_clip; nearest names: {', '.join(near) or 'none'}")
    return dict(stored)
