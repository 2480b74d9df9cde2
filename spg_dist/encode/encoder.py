"""Image files to features, in batches of one fixed size."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from spg_dist.clip.load import Clip
from spg_dist.data import ImageRejected, decode_rgb
from spg_dist.encode.transform import ImageTransform

BATCHES_AHEAD = 2  # decoded or being decoded while one is in the tower: bounds the memory, 5 MB a batch of 32

Read = np.ndarray | ImageRejected
"""Pixels (H, W, 3) uint8 of one image, or why there are none."""


@dataclass(frozen=True)
class EncodedImages:
    """Features of the images that could be read.

    Arguments:
        kept: positions, in the list that was given, of the rows of `features_ND`.
        features_ND: float32, unit norm.
        rejected: position to reason.
        read_seconds: of waiting for decoded images, while the tower had nothing to do.
        encode_seconds: in the tower.
    """

    kept: list[int]
    features_ND: np.ndarray
    rejected: dict[int, str]
    read_seconds: float
    encode_seconds: float


class ImageEncoder:
    """f of the method: image files to unit-norm features.

    Every pass through the tower has the same number of images (the last is filled up), so that an image's feature does
    not depend on how many others happened to be missing from the cache.

    Images are decoded by threads while the tower works on those before: by one beside a tower on the CPU, which has the
    threads for itself, by as many as torch has threads beside an accelerator.
    """

    def __init__(self, clip: Clip, transform: ImageTransform, batch_size: int) -> None:
        self.clip, self.transform, self.batch_size = clip, transform, batch_size
        self.readers = 1 if clip.device.type == "cpu" else torch.get_num_threads()

    def __call__(self, paths: Sequence[Path], digests: Sequence[str]) -> EncodedImages:
        """Encode images; the next batches are decoded while this one is in the tower."""
        features_ND = np.empty((len(paths), self.clip.feature_width), dtype=np.float32)
        kept: list[int] = []
        rejected: dict[int, str] = {}
        waited = encoding = 0.0
        with ThreadPoolExecutor(self.readers, thread_name_prefix="decode") as readers:
            batches = self._read_ahead(readers, paths, digests)
            for start in range(0, len(paths), self.batch_size):
                began = time.perf_counter()
                batch = next(batches)
                arrived = time.perf_counter()
                pixels = [read for read in batch if not isinstance(read, ImageRejected)]
                if pixels:
                    features_ND[len(kept) : len(kept) + len(pixels)] = self._encode(pixels)
                for i, read in enumerate(batch, start):
                    if isinstance(read, ImageRejected):
                        rejected[i] = str(read)
                    else:
                        kept.append(i)
                waited += arrived - began
                encoding += time.perf_counter() - arrived
        return EncodedImages(kept, features_ND[: len(kept)], rejected, waited, encoding)

    def _read_ahead(
        self, readers: ThreadPoolExecutor, paths: Sequence[Path], digests: Sequence[str]
    ) -> Iterator[list[Read]]:
        """All images, batch by batch in order, with the next BATCHES_AHEAD under way."""
        under_way: deque[list[Future[Read]]] = deque()
        for start in range(0, len(paths), self.batch_size):
            batch = slice(start, start + self.batch_size)
            under_way.append(
                [readers.submit(self._read, *image) for image in zip(paths[batch], digests[batch], strict=True)]
            )
            if len(under_way) > BATCHES_AHEAD:
                yield [image.result() for image in under_way.popleft()]
        for batch_under_way in under_way:
            yield [image.result() for image in batch_under_way]

    def _read(self, path: Path, digest: str) -> Read:
        try:
            return self.transform.pixels(decode_rgb(path, self.transform.decoding), digest)
        except ImageRejected as rejection:
            return rejection

    @torch.inference_mode()
    def _encode(self, pixels: list[np.ndarray]) -> np.ndarray:
        batch_BHW3 = np.zeros((self.batch_size, *pixels[0].shape), dtype=np.uint8)
        np.stack(pixels, out=batch_BHW3[: len(pixels)])
        images_B3HW = self.transform.normalise(torch.from_numpy(batch_BHW3).to(self.clip.device))
        features = self.clip.model.encode_image(images_B3HW)[: len(pixels)]
        unit: np.ndarray = F.normalize(features.float(), dim=-1).cpu().numpy()
        return unit
