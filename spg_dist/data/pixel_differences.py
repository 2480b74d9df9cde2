"""Which images `encode.pixels` makes a difference to, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PIL import Image

from spg_dist.data.decoding import opened, to_rgb, upright

Difference = Literal["EXIF orientation", "transparency", "greyscale of more than 8 bits"]


def pixel_differences(path: Path) -> list[Difference]:
    """Why the two ways of `decode_rgb` give other pixels of an image; empty where they give the same.

    Raises:
        ImageRejected, MemoryError: as `decode_rgb(path)`.
    """
    with opened(path) as image:
        turned = upright(image)
        composed = to_rgb(turned)
        found: list[Difference] = []
        # identity first: most images are not turned, and to compare the pixels of each would cost time
        if turned is not image and not _equal(turned, image):
            found.append("EXIF orientation")
        deep = image.mode.startswith("I")
        if (deep or image.has_transparency_data) and not _equal(composed, turned.convert("RGB")):
            found.append("greyscale of more than 8 bits" if deep else "transparency")
        return found


def _equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()
