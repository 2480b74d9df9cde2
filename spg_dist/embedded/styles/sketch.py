"""Sketch: pencil outlines drawn twice by an unsteady hand, hatching where the object is dark, on grainy paper."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from spg_dist.embedded.geometry import Part, Point, Role
from spg_dist.embedded.scene import CANVAS_PIXELS, IMAGE_PIXELS, Scene

HATCH_PIXELS: dict[Role, int] = {"main": 9, "second": 12, "leaf": 8, "wood": 6, "dark": 3}
"""Distance of hatching lines by role (canvas pixels); roles not named stay white."""


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of IMAGE_PIXELS squared."""
    picture = Image.new("L", (CANVAS_PIXELS, CANVAS_PIXELS), 246)
    pen = ImageDraw.Draw(picture)
    pencil, slant = int(rng.integers(30, 85)), int(rng.integers(-110, 111))
    for part in scene.clutter:
        _outline(pen, part, pencil + 90, rng)
    if rng.random() < 0.6:
        pen.line((0, scene.horizon, CANVAS_PIXELS, scene.horizon + rng.uniform(-9, 9)), fill=pencil + 80, width=2)
    shaded = rng.random() < 0.75
    for part in scene.parts:
        pen.polygon(part.points, fill=246)
        if shaded and part.role in HATCH_PIXELS:
            _hatch(picture, part, slant, pencil + 60)
        _outline(pen, part, pencil, rng)
    return _on_paper(picture.reduce(2), rng)


def _outline(pen: ImageDraw.ImageDraw, part: Part, grey: int, rng: np.random.Generator) -> None:
    for width, wobble in ((3, 1.2), (2, 2.4)):
        unsteady = rng.uniform(-wobble, wobble, (len(part.points), 2))
        moved: list[Point] = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(part.points, unsteady, strict=True)]
        pen.line([*moved, moved[0]], fill=grey, width=width)


def _hatch(picture: Image.Image, part: Part, slant: int, grey: int) -> None:
    """Parallel pencil lines within the part."""
    mask = Image.new("1", picture.size, 0)
    ImageDraw.Draw(mask).polygon(part.points, fill=1)
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    lines = Image.new("1", picture.size, 0)
    pen = ImageDraw.Draw(lines)
    for x in range(left - abs(slant), right + abs(slant), HATCH_PIXELS[part.role]):
        pen.line((x, top, x + slant * (bottom - top) / CANVAS_PIXELS, bottom), fill=1, width=2)
    picture.paste(grey, mask=Image.composite(lines, Image.new("1", picture.size, 0), mask))


def _on_paper(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Grain that bites where the pencil is, and a warm or cool tone of paper."""
    grey_HW1 = np.asarray(drawing, dtype=np.int16)[:, :, None]
    grain_HW1 = rng.integers(-22, 23, (IMAGE_PIXELS, IMAGE_PIXELS, 1), dtype=np.int16)
    bite_HW1 = grain_HW1 * (270 - grey_HW1) // 255 + grain_HW1 // 6
    tone_C = np.array([0, int(rng.integers(-6, 1)), int(rng.integers(-22, 4))], dtype=np.int16)
    return Image.fromarray(np.clip(grey_HW1 + bite_HW1 + tone_C, 0, 255).astype(np.uint8))
