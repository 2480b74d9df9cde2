"""Where the tiny CLIP lies. Rebuild it with `python -m spg_dist.embedded.pretrain`."""

from __future__ import annotations

from pathlib import Path

TINY_CLIP_NAME = "tiny-rn"
"""The model's name for open_clip, after `open_clip.add_model_config(config_path)`."""


def tiny_clip_files() -> tuple[Path, Path]:
    """The open_clip model configuration (JSON, holds the image transform too) and the weights (safetensors).

    Raises:
        ValueError: the weights are not there, as in a checkout before the first training.
    """
    folder = Path(__file__).resolve().parent
    config, weights = folder / f"{TINY_CLIP_NAME}.json", folder / f"{TINY_CLIP_NAME}.safetensors"
    for path in (config, weights):
        if not path.is_file():
            raise ValueError(
                f"{path} is missing: run `python -m spg_dist.embedded.pretrain` to train the tiny CLIP anew"
            )
    return config, weights
