"""Pixels as the image encoder wants them: the plain view, and augmented views that are the same on every machine."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from blake3 import blake3
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

PLAIN = "plain"
CROP_SCALE = (0.08, 1.0)  # random-resized-crop as in both stages of the published training
CROP_RATIO = (3 / 4, 4 / 3)
FLIP_SHARE = 0.5


def view_name(seed: int, k: int) -> str:
    """Name of the k-th augmented view in a feature's key."""
    return f"aug-{seed}-{k}"


class ImageTransform:
    """One view of an image.

    Arguments:
        preprocess: open_clip's fields (size, mean, std, interpolation, resize_mode, fill_color), which belong to the
            weights.
        view: `plain` or `aug-<seed>-<k>`.
    """

    def __init__(self, preprocess: dict[str, Any], view: str = PLAIN) -> None:
        self.preprocess, self.view = preprocess, view
        self._plain = image_transform_v2(PreprocessCfg(**preprocess), is_train=False)
        size = preprocess["size"]
        self._size = [size, size] if isinstance(size, int) else list(size)

    @property
    def fingerprint(self) -> str:
        """All that determines the pixels, but the view's name; the crop's limits count where there is a crop."""
        crop = {} if self.view == PLAIN else {"crop": {"scale": CROP_SCALE, "ratio": CROP_RATIO, "flip": FLIP_SHARE}}
        return json.dumps(self.preprocess | crop, sort_keys=True)

    def __call__(self, image: Image, digest: str) -> Tensor:
        """(3, size, size) float32. `digest` of the image's bytes fixes the draw of an augmented view."""
        if self.view == PLAIN:
            plain: Tensor = self._plain(image)
            return plain
        random = np.random.default_rng(int(blake3(f"{digest}|{self.view}".encode()).hexdigest(8), 16))
        top, left, height, width = draw_crop(image.height, image.width, random)
        bilinear = self.preprocess["interpolation"] == "bilinear"
        mode = InterpolationMode.BILINEAR if bilinear else InterpolationMode.BICUBIC
        cropped = F.resized_crop(image, top, left, height, width, self._size, mode)
        if random.random() < FLIP_SHARE:
            cropped = F.hflip(cropped)
        pixels: Tensor = F.normalize(F.to_tensor(cropped), self.preprocess["mean"], self.preprocess["std"])
        return pixels


def draw_crop(height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width (pixels) of torchvision's RandomResizedCrop, drawn from `random`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random.integers(2**31)))
        sample = torch.empty(1, height, width)
        top, left, h, w = RandomResizedCrop.get_params(sample, list(CROP_SCALE), list(CROP_RATIO))
    return top, left, h, w
