"""Image files to features, in batches of one fixed size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.load import Clip
from spg_dist.data import ImageRejected, decode_rgb
from spg_dist.encode.transform import ImageTransform


@dataclass(frozen=True)
class EncodedImages:
    """Features of the images that could be read.

    Arguments:
        kept: positions, in the list that was given, of the rows of `features_ND`.
        features_ND: float32, unit norm.
        rejected: position to reason.
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
    """

    def __init__(self, clip: Clip, transform: ImageTransform, batch_size: int) -> None:
        self.clip, self.transform, self.batch_size = clip, transform, batch_size

    def __call__(self, paths: Sequence[Path], digests: Sequence[str]) -> EncodedImages:
        """Encode images; the next batch is decoded while this one is in the tower."""
        pieces: list[np.ndarray] = []
        kept: list[int] = []
        rejected: dict[int, str] = {}
        waited = encoding = 0.0
        starts = range(0, len(paths), self.batch_size)
        with ThreadPoolExecutor(max_workers=1) as reader:
            upcoming = [reader.submit(self._read, paths, digests, start) for start in starts]
            for future in upcoming:
                began = time.perf_counter()
                pixels, positions, reasons = future.result()
                read = time.perf_counter()
                rejected |= reasons
                if positions:
                    pieces.append(self._encode(pixels, len(positions)))
                    kept += positions
                waited += read - began
                encoding += time.perf_counter() - read
        width = self.clip.feature_width
        features_ND = np.concatenate(pieces) if pieces else np.empty((0, width), dtype=np.float32)
        return EncodedImages(kept, features_ND, rejected, waited, encoding)

    def _read(
        self, paths: Sequence[Path], digests: Sequence[str], start: int
    ) -> tuple[Tensor, list[int], dict[int, str]]:
        stop = min(start + self.batch_size, len(paths))
        pixels, positions, reasons = [], [], {}
        for i in range(start, stop):
            try:
                pixels.append(self.transform(decode_rgb(paths[i]), digests[i]))
                positions.append(i)
            except ImageRejected as rejection:
                reasons[i] = str(rejection)
        if not pixels:
            return torch.empty(0), positions, reasons
        batch = torch.stack(pixels)
        padding = self.batch_size - len(batch)
        return F.pad(batch, (0, 0, 0, 0, 0, 0, 0, padding)), positions, reasons

    @torch.inference_mode()
    def _encode(self, pixels: Tensor, rows: int) -> np.ndarray:
        features = self.clip.model.encode_image(pixels.to(self.clip.device))[:rows]
        unit: np.ndarray = F.normalize(features.float(), dim=-1).cpu().numpy()
        return unit
