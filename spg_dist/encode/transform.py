"""Pixels as the image encoder wants them: the plain view, and augmented views that are the same on every machine."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
from blake3 import blake3
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from spg_dist.data.decoding import MAX_PIXELS, Pixels
from spg_dist.data.errors import ImageRejected

PLAIN = "plain"
CROP_SCALE = (0.08, 1.0)  # random-resized-crop as in both stages of the published training
CROP_RATIO = (3 / 4, 4 / 3)
FLIP_SHARE = 0.5


def view_name(seed: int, k: int) -> str:
    """Name of the k-th augmented view in a feature's key."""
    return f"aug-{seed}-{k}"


class ImageTransform:
    """One view of an image, in two steps: `pixels` for each image alone, `normalise` for a batch on the tower's device.

    `pixels` calls Pillow and numpy only: Pillow leaves the interpreter free while it works, and torch's threads, which
    belong to the tower, are not called up for every image. Both steps together are open_clip's transform, bit for bit.

    Arguments:
        preprocess: open_clip's fields (size, mean, std, interpolation, resize_mode, fill_color), which belong to the
            weights.
        view: `plain` or `aug-<seed>-<k>`.
        decoding: how files become pixels, see `decode_rgb`.
    """

    def __init__(self, preprocess: dict[str, Any], view: str = PLAIN, decoding: Pixels = "upright") -> None:
        self.preprocess, self.view, self.decoding = preprocess, view, decoding
        *self._resize, _to_tensor, normalize = image_transform_v2(
            PreprocessCfg(**preprocess), is_train=False
        ).transforms
        self._mean_3HW, self._std_3HW = (torch.tensor(each).view(3, 1, 1) for each in (normalize.mean, normalize.std))
        size = preprocess["size"]
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def fingerprint(self) -> str:
        """All that determines the pixels, but the view's name: the crop's limits where there is a crop, the decoding
        where it is not `upright`, which caches of before had."""
        crop = {} if self.view == PLAIN else {"crop": {"scale": CROP_SCALE, "ratio": CROP_RATIO, "flip": FLIP_SHARE}}
        decoding = {} if self.decoding == "upright" else {"pixels": self.decoding}
        return json.dumps(self.preprocess | crop | decoding, sort_keys=True)

    def pixels(self, image: Image, digest: str) -> np.ndarray:
        """(H, W, 3) uint8 of the tower's size. `digest` of the image's bytes fixes the draw of an augmented view.

        Raises:
            ImageRejected: the image is so much longer than wide that it cannot be resized.
        """
        self._check_shape(image)
        if self.view == PLAIN:
            for resize in self._resize:
                image = resize(image)
            return np.asarray(image)
        random = np.random.default_rng(int(blake3(f"{digest}|{self.view}".encode()).hexdigest(8), 16))
        top, left, height, width = draw_crop(image.height, image.width, random)
        bilinear = self.preprocess["interpolation"] == "bilinear"
        mode = InterpolationMode.BILINEAR if bilinear else InterpolationMode.BICUBIC
        cropped = F.resized_crop(image, top, left, height, width, list(self.size), mode)
        return np.asarray(F.hflip(cropped) if random.random() < FLIP_SHARE else cropped)

    def _check_shape(self, image: Image) -> None:
        """Hold an image against the plain view's resize, which every image goes through."""
        side, (shorter, longer) = max(self.size), sorted(image.size)
        mode = self.preprocess["resize_mode"]
        too_long = mode == "shortest" and side * (longer * side // shorter) > MAX_PIXELS
        if too_long or (mode == "longest" and shorter * side < longer):
            raise ImageRejected(
                f"{image.width} x {image.height} pixels are too long and thin to be resized (the {mode} side to {side})"
            )

    def normalise(self, pixels_BHW3: Tensor) -> Tensor:
        """uint8 pixels to what the tower takes, (B, 3, H, W) float32."""
        device = pixels_BHW3.device
        x_B3HW = pixels_BHW3.movedim(-1, 1).to(torch.float32, memory_format=torch.contiguous_format)
        # by a tensor: CUDA would multiply by the reciprocal of a number
        x_B3HW /= torch.tensor(255.0, device=device)
        return x_B3HW.sub_(self._mean_3HW.to(device)).div_(self._std_3HW.to(device))

    def __call__(self, image: Image, digest: str) -> Tensor:
        """(3, H, W) float32 of one image."""
        return self.normalise(torch.from_numpy(self.pixels(image, digest).copy())[None])[0]


def draw_crop(height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width (pixels) of torchvision's RandomResizedCrop, drawn from `random`.

    torchvision draws from the program's own random numbers, which threads would take from each other.
    """
    seeded = torch.Generator().manual_seed(int(random.integers(2**31)))
    narrowest, widest = CROP_RATIO
    log_ratios = torch.tensor(CROP_RATIO).log().tolist()
    for _ in range(10):
        area = height * width * torch.empty(1).uniform_(*CROP_SCALE, generator=seeded).item()
        ratio = torch.empty(1).uniform_(*log_ratios, generator=seeded).exp().item()
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = int(torch.randint(0, height - h + 1, size=(1,), generator=seeded))
            left = int(torch.randint(0, width - w + 1, size=(1,), generator=seeded))
            return top, left, h, w
    h, w = min(height, round(width / narrowest)), min(width, round(height * widest))
    return (height - h) // 2, (width - w) // 2, h, w
