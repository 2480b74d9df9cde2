"""One drawn image, determined by its class, domain, seed and number alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from spg_dist.embedded.scene import Scene, compose
from spg_dist.embedded.shapes import DRAWERS
from spg_dist.embedded.styles import art, cartoon, photo, sketch

RENDERERS: dict[str, Callable[[Scene, np.random.Generator], Image.Image]] = {
    "art": art.render,
    "cartoon": cartoon.render,
    "photo": photo.render,
    "sketch": sketch.render,
}
"""How each domain renders a scene, by its name."""


def draw(class_name: str, domain: str, seed: int, index: int) -> Image.Image:
    """Image number `index` of a class in a domain: RGB, 96 × 96 pixels, the same at every call.

    It depends on no other image: the names and numbers themselves seed its random numbers, so that adding a class or
    drawing more images changes none of the others.

    Raises:
        ValueError: an unknown class or domain.
    """
    scene, rng = numbered_scene(class_name, domain, seed, index)
    return RENDERERS[domain](scene, rng)


def numbered_scene(class_name: str, domain: str, seed: int, index: int) -> tuple[Scene, np.random.Generator]:
    """The scene of `draw`'s image, and the random numbers that its style goes on with.

    Raises:
        ValueError: an unknown class or domain.
    """
    for kind, name, known in (("domain", domain, RENDERERS), ("class", class_name, DRAWERS)):
        if name not in known:
            raise ValueError(f"nothing is known to draw the {kind} {name!r}: expected one of {', '.join(known)}")
    rng = np.random.default_rng([seed, zlib.crc32(domain.encode()), zlib.crc32(class_name.encode()), index])
    return compose(class_name, rng), rng
