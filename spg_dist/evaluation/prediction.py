"""What a method says of images, each by itself.

Shape suffixes: K draws of the noise, B images, C classes, D feature width.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK_ROWS = 16
ACCELERATOR_BLOCK_ROWS = 256


@dataclass(frozen=True)
class ImageBatch:
    """All that a method may know of images it is to classify.

    Arguments:
        x_BD: unit-norm features on the device.
        digests: of each image's content, which its noise is drawn by.
        domain_B: index of each image's domain; images given without one are of one domain.
    """

    x_BD: Tensor
    digests: tuple[str, ...]
    domain_B: np.ndarray

    def __len__(self) -> int:
        return len(self.digests)

    def take(self, places: Sequence[int]) -> ImageBatch:
        """The images at some places, in their order."""
        index = torch.tensor(list(places), dtype=torch.int64, device=self.x_BD.device)
        return ImageBatch(self.x_BD[index], tuple(self.digests[i] for i in places), self.domain_B[list(places)])


Logits = Callable[[ImageBatch], Tensor]
"""A trained method: logits (K, B, C) for K draws of noise, 1 where nothing is random; probabilities are their softmax
over the classes."""


@dataclass(frozen=True)
class Predictor:
    """A trained method, ready to classify.

    Arguments:
        transductive: it learns from the images it is given, as a set; else an image's logits depend on it alone.
    """

    logits: Logits
    transductive: bool = False


def text_predictor(text_CD: Tensor, logit_scale: float) -> Predictor:
    """The same texts for all images: exp(logit_scale) · x · t."""
    return Predictor(lambda images: (logit_scale * images.x_BD @ text_CD.T)[None])


@dataclass(frozen=True)
class Predicted:
    """What is said of one image.

    Arguments:
        class_index: with the highest mean probability over the draws.
        probability: of that class, mean over the draws.
        spread: standard deviation of that probability over the draws; None for a single draw.
        by_draw: the class that each draw gives.
    """

    class_index: int
    probability: float
    spread: float | None
    by_draw: tuple[int, ...]


@torch.no_grad()
def classify(predictor: Predictor, images: ImageBatch) -> list[Predicted]:
    """Classify images; for a transductive method they are the set that it learns from, taken in digest order.

    Any other method takes them in blocks of one size, the last filled up: with other rows next to it, or fewer of them,
    the last bits of an image's logits could differ.
    """
    if not predictor.transductive:
        blocks = _blocks(images)
        return [said for block, size in blocks for said in _said(predictor.logits(block)[:, :size])]
    order = sorted(range(len(images)), key=lambda i: images.digests[i])
    said = dict(zip(order, _said(predictor.logits(images.take(order))), strict=True)) if order else {}
    return [said[i] for i in range(len(images))]


def _blocks(images: ImageBatch) -> Iterator[tuple[ImageBatch, int]]:
    """Blocks of one size, and how many of each block's images are to be judged."""
    rows = BLOCK_ROWS if images.x_BD.device.type == "cpu" else ACCELERATOR_BLOCK_ROWS
    for start in range(0, len(images), rows):
        size = min(rows, len(images) - start)
        yield images.take([*range(start, start + size), *[start] * (rows - size)]), size


def _said(logits_KBC: Tensor) -> list[Predicted]:
    logits_KBC = logits_KBC.cpu()
    probability_KBC = logits_KBC.softmax(dim=-1)
    class_B = probability_KBC.mean(dim=0).argmax(dim=-1)
    draws_KB = torch.take_along_dim(probability_KBC, class_B[None, :, None], dim=-1)[..., 0]
    columns = class_B.tolist(), draws_KB.T.tolist(), logits_KBC.argmax(dim=-1).T.tolist()
    return [
        Predicted(k, statistics.fmean(shares), statistics.stdev(shares) if len(shares) > 1 else None, tuple(classes))
        for k, shares, classes in zip(*columns, strict=True)
    ]
