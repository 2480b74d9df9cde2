"""Cartoon: flat bright colours, thick ink outlines, a background of dots, stripes, rays or plain colour."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from PIL import Image, ImageDraw

from spg_dist.embedded.geometry import Part
from spg_dist.embedded.scene import CANVAS_PIXELS, Colour, Scene

INK: Colour = (22, 18, 28)


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of IMAGE_PIXELS squared."""
    picture = Image.new("RGB", (CANVAS_PIXELS, CANVAS_PIXELS), _bright(scene.sky, 0.45))
    pen = ImageDraw.Draw(picture)
    _backdrop(pen, scene, rng)
    line = int(rng.integers(5, 9))
    for part in scene.clutter:
        pen.polygon(part.points, fill=_bright(scene.colours[part.role], 0.5))
    for part in scene.parts:
        pen.polygon(part.points, fill=_bright(scene.colours[part.role], 0.95))
        pen.line([*part.points, *part.points[:2]], fill=INK, width=_line_pixels(part, line), joint="curve")
    return picture.reduce(2)


def _backdrop(pen: ImageDraw.ImageDraw, scene: Scene, rng: np.random.Generator) -> None:
    colour, size = _bright(scene.ground, 0.6), CANVAS_PIXELS
    kind = int(rng.integers(5))
    if kind == 0:
        step = int(rng.integers(22, 36))
        for x in range(0, size + step, step):
            for y in range(0, size + step, step):
                shift = step // 2 if (y // step) % 2 else 0
                pen.ellipse((x - 6 + shift, y - 6, x + 6 + shift, y + 6), fill=colour)
    elif kind == 1:
        step, slant = int(rng.integers(24, 44)), rng.uniform(-60, 60)
        for x in range(-size, 2 * size, step):
            pen.line((x, 0, x + slant, size), fill=colour, width=step // 2)
    elif kind == 2:
        rays, phase, far = int(rng.integers(8, 14)), rng.uniform(0, 1), size * 1.5
        for i in range(rays):
            a, b = (2 * math.pi * (i + phase + d) / rays for d in (0.0, 0.5))
            corners = [(size / 2, size / 2)] + [
                (size / 2 + far * math.cos(t), size / 2 + far * math.sin(t)) for t in (a, b)
            ]
            pen.polygon(corners, fill=colour)
    elif kind == 3:
        for x in range(-20, size + 40, 60):
            pen.ellipse((x - 50, scene.horizon - 20, x + 50, scene.horizon + 2 * size), fill=colour)


def _line_pixels(part: Part, widest: int) -> int:
    """Small parts (eyes, whiskers) get a thinner line, or the ink would fill them."""
    xs, ys = [x for x, _ in part.points], [y for _, y in part.points]
    slightness = min(max(xs) - min(xs), max(ys) - min(ys))
    return max(2, min(widest, round(slightness / 6)))


def _bright(colour: Colour, saturation: float) -> Colour:
    """The same hue as it comes out of a felt-tip pen: greys and near-blacks stay what they are."""
    hue, old, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    if value < 0.25 or old < 0.15:
        return colour
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, max(value, 0.92))
    return round(red * 255), round(green * 255), round(blue * 255)
