"""A small data set of striped pictures, every file different: `<root>/<domain>/<class>/<n>.png`."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

DOMAINS = ("art", "photo", "sketch")
CLASSES = ("apple", "bear", "car")
IMAGES_PER_CLASS = 6


def picture(*of: str | int, height: int = 56, width: int = 72) -> Image.Image:
    """Stripes and noise that depend on `of` alone."""
    random = np.random.default_rng(zlib.crc32("|".join(map(str, of)).encode()))
    y, x = np.mgrid[:height, :width]
    wave = np.sin(x * random.uniform(0.05, 0.6) + y * random.uniform(0.05, 0.6))[..., None]
    pixels = 127 + 80 * wave * random.uniform(-1, 1, 3) + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_images(
    root: Path,
    domains: tuple[str, ...] = DOMAINS,
    classes: tuple[str, ...] = CLASSES,
    images_per_class: int = IMAGES_PER_CLASS,
) -> Path:
    """Write the pictures that are not there yet."""
    for domain in domains:
        for name in classes:
            folder = root / domain / name
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(images_per_class):
                if not (folder / f"{i}.png").exists():
                    picture(domain, name, i).save(folder / f"{i}.png", compress_level=1)
    return root
