"""Photo-like: an object lit from one side, out-of-focus things behind it, its shadow, grain and a slight blur."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from spg_dist.embedded.scene import CANVAS_PIXELS, IMAGE_PIXELS, Scene


def render(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of IMAGE_PIXELS squared."""
    albedo = _background(scene, rng)
    relief = Image.new("L", albedo.size, 0)
    _cast_shadow(albedo, scene, rng)
    paint, press = ImageDraw.Draw(albedo), ImageDraw.Draw(relief)
    for i, part in enumerate(scene.parts):
        paint.polygon(part.points, fill=scene.colours[part.role])
        press.polygon(part.points, fill=130 + 25 * (i % 5))
    colours_HWC = np.asarray(albedo.reduce(2), dtype=np.float32)
    lit_HW = _light(relief.reduce(2), rng)
    grain_HW1 = rng.integers(-9, 10, (IMAGE_PIXELS, IMAGE_PIXELS, 1)).astype(np.float32)
    exposed_HWC = colours_HWC * lit_HW[:, :, None] * np.float32(rng.uniform(0.85, 1.1)) + grain_HW1
    photo = Image.fromarray(np.clip(exposed_HWC, 0, 255).astype(np.uint8))
    return photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7)))


def _background(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Sky and ground, each with a gradient, and the clutter, all out of focus."""
    rows = np.arange(CANVAS_PIXELS, dtype=np.float32)[:, None, None]
    sky, ground = (np.array(c, dtype=np.float32) for c in (scene.sky, scene.ground))
    above = sky * (0.75 + 0.3 * rows / CANVAS_PIXELS)
    below = ground * (1.15 - 0.45 * rows / CANVAS_PIXELS)
    column = np.where(rows < scene.horizon, above, below)
    picture = Image.fromarray(np.clip(column, 0, 255).astype(np.uint8)).resize((CANVAS_PIXELS, CANVAS_PIXELS))
    pen = ImageDraw.Draw(picture)
    for part in scene.clutter:
        pen.polygon(part.points, fill=scene.colours[part.role])
    small = picture.reduce(2).filter(ImageFilter.GaussianBlur(rng.uniform(2.0, 5.0)))
    return small.resize((CANVAS_PIXELS, CANVAS_PIXELS), Image.Resampling.BILINEAR)


def _cast_shadow(picture: Image.Image, scene: Scene, rng: np.random.Generator) -> None:
    dx, dy = rng.uniform(-14, 14), rng.uniform(6, 14)
    shadow = Image.new("L", picture.size, 0)
    pen = ImageDraw.Draw(shadow)
    for part in scene.parts:
        pen.polygon([(x + dx, y + dy) for x, y in part.points], fill=120)
    soft = shadow.reduce(4).filter(ImageFilter.GaussianBlur(2)).resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste((15, 15, 25), mask=soft)


def _light(relief: Image.Image, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Brightness (around 1) of each pixel: slopes of the softened relief face the light or turn from it."""
    height_HW = np.asarray(relief.filter(ImageFilter.GaussianBlur(3.5)), dtype=np.float32) / 255
    slope_y, slope_x = np.gradient(height_HW)
    from_left = np.float32(rng.uniform(-1, 1))
    inside_HW = np.asarray(relief, dtype=np.float32) / 255 > 0.2
    facing_HW = np.clip(5.0 * (from_left * slope_x + slope_y), -0.45, 0.5)
    ramp_HW = np.linspace(1.12, 0.85, IMAGE_PIXELS, dtype=np.float32)[:, None]
    lit_HW: np.ndarray[tuple[int, int], np.dtype[np.float32]] = ramp_HW * (1 + np.where(inside_HW, facing_HW, 0))
    return lit_HW.astype(np.float32)
