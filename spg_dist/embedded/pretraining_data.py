"""The captioned drawings that the tiny CLIP learns from, and the batches made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.embedded.captions import Subject, sample_caption, subject_of
from spg_dist.embedded.drawing import draw, numbered_scene
from spg_dist.embedded.scene import IMAGE_PIXELS
from spg_dist.embedded.vocabulary import DRAWN_CLASSES

PRETRAINING_SEED = 90_210
"""Of the drawings to learn from. The data set's default is 1: no image of it is learnt from."""

STYLE_SHARES: dict[str, float] = {"photo": 0.62, "art": 0.15, "cartoon": 0.13, "sketch": 0.10}
"""Poor in some styles, as the web is: that leaves something for prompts to gain."""


@dataclass(frozen=True)
class Drawings:
    """`images` is uint8 (N, 3, IMAGE_PIXELS, IMAGE_PIXELS); `subjects` has what can be said about each."""

    images: Tensor
    subjects: list[Subject]


def draw_all(images: int, seed: int = PRETRAINING_SEED) -> Drawings:
    """Draw the pre-training mix: every class equally often, domains by STYLE_SHARES (rounded up per class)."""
    stack: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    subjects: list[Subject] = []
    for domain, share in STYLE_SHARES.items():
        for class_name in DRAWN_CLASSES:
            for index in range(-int(-images * share // len(DRAWN_CLASSES))):
                stack.append(np.asarray(draw(class_name, domain, seed, index)).transpose(2, 0, 1))
                subjects.append(subject_of(class_name, domain, numbered_scene(class_name, domain, seed, index)[0]))
    return Drawings(torch.from_numpy(np.stack(stack)), subjects)


def captioned_batch(
    drawings: Drawings, size: int, image_pixels: int, rng: np.random.Generator
) -> tuple[Tensor, list[str], Tensor]:
    """A random batch.

    Returns:
        images (B, 3, H, W) in [0, 1], cropped and mirrored at random; the U captions in it, each once; and for each
        image the position of its caption (B,). Two images with one caption are two positives of it, not negatives.
    """
    chosen = rng.choice(len(drawings.subjects), size=min(size, len(drawings.subjects)), replace=False)
    captions = [sample_caption(drawings.subjects[int(i)], rng) for i in chosen]
    unique = sorted(set(captions))
    positions_B = torch.tensor([unique.index(caption) for caption in captions])
    halves = [_crop(half, image_pixels, rng) for half in drawings.images[torch.from_numpy(chosen)].chunk(2)]
    images_BCHW = torch.cat(halves)
    mirrored_B = torch.from_numpy(rng.random(len(chosen)) < 0.5)
    images_BCHW[mirrored_B] = images_BCHW[mirrored_B].flip(-1)
    return images_BCHW, unique, positions_B


def _crop(images_BCHW: Tensor, image_pixels: int, rng: np.random.Generator) -> Tensor:
    """One crop box for all images (a box for each would cost more than the network), of 70 to 100 % of the width."""
    side = int(rng.integers(round(0.7 * IMAGE_PIXELS), IMAGE_PIXELS + 1))
    top, left = (int(v) for v in rng.integers(0, IMAGE_PIXELS - side + 1, 2))
    cropped_BCHW = images_BCHW[:, :, top : top + side, left : left + side].float() / 255
    size = (image_pixels, image_pixels)
    return F.interpolate(cropped_BCHW, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
