"""A scene: which object stands where, in which colours, before what clutter. Styles only decide how it looks."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from spg_dist.embedded.geometry import Part, Point, Role, box, ellipse, placed, polygon
from spg_dist.embedded.shapes import DRAWERS

Colour = tuple[int, int, int]

CANVAS_PIXELS = 192
"""Styles draw at twice the final size and halve it at the end: smooth edges for little work."""

IMAGE_PIXELS = 96
"""Width and height of a finished image."""

OCCLUDED_SHARE = 0.4
"""Share of scenes with something standing before the object."""


@dataclass(frozen=True)
class Scene:
    """What is in one image, in pixels of a canvas of CANVAS_PIXELS squared.

    Arguments:
        clutter: small things behind the object, back to front.
        parts: the object's outlines, back to front, then what stands before it, if anything.
        colours: RGB 0-255 of each role.
        sky, ground: RGB of the upper and lower background.
        horizon: height of the line between them (pixels from the top).
        object_pixels: half the object's width.
    """

    clutter: tuple[Part, ...]
    parts: tuple[Part, ...]
    colours: dict[Role, Colour]
    sky: Colour
    ground: Colour
    horizon: float
    object_pixels: float


def compose(class_name: str, rng: np.random.Generator) -> Scene:
    """A random scene with one object of the class."""
    scale = CANVAS_PIXELS * rng.uniform(0.19, 0.46)
    # An object may reach over the edge by a third of its half-width, as subjects in real pictures do.
    room = CANVAS_PIXELS / 2 - scale * 0.67
    x, y = (CANVAS_PIXELS / 2 + rng.uniform(-room, room) for _ in range(2))
    turn, mirrored = rng.uniform(-0.5, 0.5), bool(rng.random() < 0.5)
    behind = [_thing(rng, _anywhere(rng), rng.uniform(7, 26)) for _ in range(int(rng.integers(1, 8)))]
    before = []
    if rng.random() < OCCLUDED_SHARE:
        spot = (x + scale * rng.uniform(-0.7, 0.7), y + scale * rng.uniform(-0.7, 0.7))
        before.append(_thing(rng, spot, scale * rng.uniform(0.25, 0.5)))
    parts = [placed(part, scale, turn, x, y, mirrored) for part in DRAWERS[class_name](rng)]
    return Scene(
        clutter=tuple(behind),
        parts=tuple(parts + before),
        colours=_colours(rng),
        sky=_colour(rng.random(), rng.uniform(0.1, 0.45), rng.uniform(0.65, 0.95)),
        ground=_colour(rng.random(), rng.uniform(0.2, 0.5), rng.uniform(0.35, 0.7)),
        horizon=CANVAS_PIXELS * rng.uniform(0.45, 0.8),
        object_pixels=scale,
    )


def _anywhere(rng: np.random.Generator) -> Point:
    return rng.uniform(0, CANVAS_PIXELS), rng.uniform(CANVAS_PIXELS * 0.1, CANVAS_PIXELS)


def _thing(rng: np.random.Generator, spot: Point, size: float) -> Part:
    """A disc, block or spike of any colour."""
    roles: tuple[Role, ...] = ("main", "second", "leaf", "wood", "light")
    role, kind = roles[int(rng.integers(len(roles)))], int(rng.integers(3))
    if kind == 0:
        thing = ellipse(role, 0, 0, 1, rng.uniform(0.6, 1.0))
    elif kind == 1:
        thing = box(role, -1, -rng.uniform(0.4, 1.2), 1, 0.6)
    else:
        thing = polygon(role, (-0.7, 0.8), (rng.uniform(-0.5, 0.5), -1.1), (0.7, 0.8))
    return placed(thing, size, rng.uniform(-0.6, 0.6), *spot)


def _colours(rng: np.random.Generator) -> dict[Role, Colour]:
    hue = rng.random()
    return {
        "main": _colour(hue, rng.uniform(0.55, 0.9), rng.uniform(0.55, 0.95)),
        "second": _colour(hue + rng.uniform(0.25, 0.75), rng.uniform(0.4, 0.8), rng.uniform(0.55, 0.95)),
        "leaf": _colour(rng.uniform(0.24, 0.4), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.7)),
        "wood": _colour(rng.uniform(0.04, 0.1), rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.55)),
        "dark": _colour(rng.random(), 0.25, rng.uniform(0.1, 0.2)),
        "light": _colour(rng.random(), rng.uniform(0.02, 0.12), rng.uniform(0.88, 1.0)),
        "glass": _colour(rng.uniform(0.5, 0.6), rng.uniform(0.2, 0.5), rng.uniform(0.6, 0.9)),
    }


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
