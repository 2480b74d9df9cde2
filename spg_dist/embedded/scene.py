"""A scene: which object stands where, in which colours, before what clutter. Styles only decide how it looks."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from spg_dist.embedded.geometry import Part, Role, box, ellipse, placed, polygon
from spg_dist.embedded.shapes import DRAWERS

Colour = tuple[int, int, int]

CANVAS_PIXELS = 192
"""Styles draw at twice the final size and halve it at the end: smooth edges for little work."""

IMAGE_PIXELS = 96
"""Width and height of a finished image."""


@dataclass(frozen=True)
class Scene:
    """What is in one image, in pixels of a canvas of CANVAS_PIXELS squared.

    Arguments:
        clutter: small things behind the object, back to front.
        parts: the object's outlines, back to front.
        colours: RGB 0-255 of each role.
        sky, ground: RGB of the upper and lower background.
        horizon: height of the line between them (pixels from the top).
    """

    clutter: tuple[Part, ...]
    parts: tuple[Part, ...]
    colours: dict[Role, Colour]
    sky: Colour
    ground: Colour
    horizon: float


def compose(class_name: str, rng: np.random.Generator) -> Scene:
    """A random scene with one object of the class."""
    parts = DRAWERS[class_name](rng)
    scale = CANVAS_PIXELS * rng.uniform(0.24, 0.42)
    room = max(0.0, CANVAS_PIXELS / 2 - scale * 1.05)
    x, y = (CANVAS_PIXELS / 2 + rng.uniform(-room, room) for _ in range(2))
    turn, mirrored = rng.uniform(-0.35, 0.35), rng.random() < 0.5
    horizon = CANVAS_PIXELS * rng.uniform(0.45, 0.8)
    return Scene(
        clutter=tuple(_clutter(rng)),
        parts=tuple(placed(part, scale, turn, x, y, bool(mirrored)) for part in parts),
        colours=_colours(rng),
        sky=_colour(rng.random(), rng.uniform(0.1, 0.45), rng.uniform(0.65, 0.95)),
        ground=_colour(rng.random(), rng.uniform(0.2, 0.5), rng.uniform(0.35, 0.7)),
        horizon=horizon,
    )


def _clutter(rng: np.random.Generator) -> list[Part]:
    """Discs, blocks and spikes of any colour, small against the object."""
    things: list[Part] = []
    roles: tuple[Role, ...] = ("main", "second", "leaf", "wood", "light")
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0, CANVAS_PIXELS), rng.uniform(CANVAS_PIXELS * 0.1, CANVAS_PIXELS)
        size, role = rng.uniform(7, 24), roles[int(rng.integers(len(roles)))]
        kind = int(rng.integers(3))
        if kind == 0:
            thing = ellipse(role, 0, 0, 1, rng.uniform(0.6, 1.0))
        elif kind == 1:
            thing = box(role, -1, -rng.uniform(0.4, 1.2), 1, 0.6)
        else:
            thing = polygon(role, (-0.7, 0.8), (rng.uniform(-0.5, 0.5), -1.1), (0.7, 0.8))
        things.append(placed(thing, size, rng.uniform(-0.6, 0.6), x, y))
    return things


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
