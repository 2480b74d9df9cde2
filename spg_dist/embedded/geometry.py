"""Outlines: the small vocabulary of curves from which every object is put together.

Coordinates are in object units: x to the right, y downwards, an object fills about [-1, 1] in both. Sines and cosines
come from `math`, not from numpy, whose vectorised ones may differ in the last bit from processor to processor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Role = Literal["main", "second", "leaf", "wood", "dark", "light", "glass"]


@dataclass(frozen=True)
class Part:
    """One filled outline of an object. `role` decides its colour and how dark a pencil shades it."""

    points: tuple[Point, ...]
    role: Role


def polygon(role: Role, *points: Point) -> Part:
    return Part(tuple(points), role)


def box(role: Role, left: float, top: float, right: float, bottom: float) -> Part:
    return Part(((left, top), (right, top), (right, bottom), (left, bottom)), role)


def ellipse(role: Role, x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Part:
    """An ellipse around (x, y), turned by `turn` radians."""
    return Part(tuple(turned(arc(0.0, 0.0, rx, ry, 0.0, 2 * math.pi), turn, x, y)), role)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 24) -> list[Point]:
    """Points of an elliptic arc from angle `start` to `end` (radians, 0 = right, growing clockwise on the screen)."""
    angles = [start + (end - start) * i / steps for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def ribbon(role: Role, path: Sequence[Point], width: float) -> Part:
    """A band of the given width along a path of points: stems, masts, handles, whiskers."""
    left: list[Point] = []
    right: list[Point] = []
    for i, (x, y) in enumerate(path):
        (x0, y0), (x1, y1) = path[max(0, i - 1)], path[min(len(path) - 1, i + 1)]
        length = math.hypot(x1 - x0, y1 - y0)
        nx, ny = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return Part(tuple(left + right[::-1]), role)


def turned(points: Sequence[Point], turn: float, x: float = 0.0, y: float = 0.0) -> list[Point]:
    """The points turned by `turn` radians around the origin, then moved by (x, y)."""
    c, s = math.cos(turn), math.sin(turn)
    return [(px * c - py * s + x, px * s + py * c + y) for px, py in points]


def placed(part: Part, scale: float, turn: float, x: float, y: float, mirrored: bool = False) -> Part:
    """The part mirrored left to right (if wanted), scaled, turned and moved, in this order."""
    sign = -scale if mirrored else scale
    return Part(tuple(turned([(px * sign, py * scale) for px, py in part.points], turn, x, y)), part.role)
