"""Where the tiny CLIP lies. `python -m spg_dist.embedded.pretrain --output spg_dist/embedded` makes it anew."""

from __future__ import annotations

from pathlib import Path

TINY_CLIP_NAME = "tiny-rn"
"""The model's name for open_clip, after `open_clip.add_model_config(config_path)`."""

EMBEDDED_FOLDER = Path(__file__).resolve().parent


def tiny_clip_files() -> tuple[Path, Path]:
    """The open_clip model configuration (JSON) and the weights (safetensors).

    The image transform is in `open_clip_config.json` beside them; it is also open_clip's default one, so that loading
    the two files alone gives the same features.
    """
    return EMBEDDED_FOLDER / f"{TINY_CLIP_NAME}.json", EMBEDDED_FOLDER / f"{TINY_CLIP_NAME}.safetensors"
