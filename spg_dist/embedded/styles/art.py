"""Painted: the scene laid down in brush strokes, broad ones first, finer ones on the object, on a woven canvas."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from spg_dist.embedded.scene import CANVAS_PIXELS, IMAGE_PIXELS, Scene

BROAD_STROKES = 300
FINE_STROKES = 750


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of IMAGE_PIXELS squared."""
    motif = Image.new("RGB", (CANVAS_PIXELS, CANVAS_PIXELS), scene.sky)
    pen = ImageDraw.Draw(motif)
    pen.rectangle((0, scene.horizon, CANVAS_PIXELS, CANVAS_PIXELS), fill=scene.ground)
    for part in scene.clutter:
        pen.polygon(part.points, fill=scene.colours[part.role])
    painting = motif.copy()
    flow = rng.uniform(0, math.pi)
    _strokes(painting, motif, _anywhere(rng, BROAD_STROKES), (11, 30, flow), rng)
    for part in scene.parts:
        for picture in (motif, painting):
            ImageDraw.Draw(picture).polygon(part.points, fill=scene.colours[part.role])
    _strokes(painting, motif, _on_object(scene, rng), (3, 9, flow + rng.uniform(0.5, 1.5)), rng)
    return _on_canvas(painting.filter(ImageFilter.SMOOTH).reduce(2), rng)


def _anywhere(rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
    spots = rng.integers(0, CANVAS_PIXELS, (count, 2))
    return [(int(x), int(y)) for x, y in spots]


def _on_object(scene: Scene, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Spots within the object's bounding box, where the finer brush works."""
    xs = [x for part in scene.parts for x, _ in part.points]
    ys = [y for part in scene.parts for _, y in part.points]
    limit = CANVAS_PIXELS - 1
    spots = rng.random((FINE_STROKES, 2))
    across, down = min(xs) + spots[:, 0] * (max(xs) - min(xs)), min(ys) + spots[:, 1] * (max(ys) - min(ys))
    return [(min(max(int(x), 0), limit), min(max(int(y), 0), limit)) for x, y in zip(across, down, strict=True)]


def _strokes(
    painting: Image.Image,
    motif: Image.Image,
    spots: list[tuple[int, int]],
    brush: tuple[int, int, float],
    rng: np.random.Generator,
) -> None:
    """One stroke at each spot in the motif's colour there. `brush` is width and length (pixels) and angle (radians)."""
    width, length, flow = brush
    pen, motif_HWC = ImageDraw.Draw(painting), np.asarray(motif).astype(int)
    xy_S2 = np.array(spots)
    mixed_S3 = rng.integers(-26, 27, (len(spots), 1)) + rng.integers(-10, 11, (len(spots), 3))
    colours_S3 = np.clip(motif_HWC[xy_S2[:, 1], xy_S2[:, 0]] + mixed_S3, 0, 255).tolist()
    bends = rng.uniform(-0.4, 0.4, len(spots)).tolist()
    for (x, y), (red, green, blue), bend in zip(spots, colours_S3, bends, strict=True):
        angle = flow + 0.7 * math.sin(x / 45) + 0.7 * math.sin(y / 52) + bend
        dx, dy = math.cos(angle) * length / 2, math.sin(angle) * length / 2
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=(red, green, blue), width=width)


def _on_canvas(painting: Image.Image, rng: np.random.Generator) -> Image.Image:
    weave = np.zeros((IMAGE_PIXELS, IMAGE_PIXELS, 1), dtype=np.int16)
    weave[::2] += 6
    weave[:, ::2] -= 6
    rough = rng.integers(-5, 6, weave.shape, dtype=np.int16)
    woven_HWC = np.asarray(painting).astype(np.int16) + weave + rough
    return Image.fromarray(np.clip(woven_HWC, 0, 255).astype(np.uint8))
