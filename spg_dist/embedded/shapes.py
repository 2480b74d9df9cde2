"""The drawn objects: one function per class, each giving an object's parts from back to front, never twice the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spg_dist.embedded.geometry import Part, arc, box, ellipse, polygon, ribbon

Random = np.random.Generator


def _boat(rng: Random) -> list[Part]:
    depth, bow = rng.uniform(0.28, 0.45), rng.uniform(0.7, 0.95)
    mast, top = rng.uniform(-0.15, 0.15), rng.uniform(-1.0, -0.8)
    sails = [polygon("light", (mast + 0.06, top + 0.05), (mast + rng.uniform(0.5, 0.75), 0.22), (mast + 0.06, 0.22))]
    if rng.random() < 0.7:
        sails.append(
            polygon("second", (mast - 0.06, top + 0.2), (mast - rng.uniform(0.4, 0.6), 0.2), (mast - 0.06, 0.2))
        )
    if rng.random() < 0.6:
        sails.append(polygon("second", (mast, top - 0.02), (mast - 0.28, top + 0.07), (mast, top + 0.16)))
    hull = polygon("main", (-bow, 0.35), (bow, 0.35), (bow - 0.3, 0.35 + depth), (-bow + 0.22, 0.35 + depth))
    stripe = polygon("light", (-bow + 0.04, 0.42), (bow - 0.05, 0.42), (bow - 0.1, 0.5), (-bow + 0.09, 0.5))
    return [ribbon("wood", [(mast, top), (mast, 0.4)], 0.08), *sails, hull, stripe]


def _car(rng: Random) -> list[Part]:
    length, roof, wheel = rng.uniform(0.85, 1.0), rng.uniform(-0.5, -0.3), rng.uniform(0.2, 0.27)
    back, front = rng.uniform(-0.65, -0.5), rng.uniform(0.3, 0.55)
    cabin = polygon("main", (back - 0.12, 0.05), (back + 0.1, roof), (front - 0.22, roof), (front + 0.05, 0.05))
    panes = [
        polygon("glass", (back + 0.02, 0.0), (back + 0.16, roof + 0.09), (-0.12, roof + 0.09), (-0.12, 0.0)),
        polygon("glass", (-0.03, 0.0), (-0.03, roof + 0.09), (front - 0.26, roof + 0.09), (front - 0.06, 0.0)),
    ]
    corners = arc(-length + 0.15, 0.15, 0.15, 0.15, math.pi, 1.5 * math.pi, 5)
    corners += arc(length - 0.2, 0.2, 0.2, 0.2, -0.5 * math.pi, 0.0, 5)
    body = polygon("main", *corners, (length, 0.45), (-length, 0.45))
    lamps = [ellipse("light", length - 0.07, 0.22, 0.07, 0.07), box("second", -length, 0.2, -length + 0.1, 0.3)]
    wheels = [ellipse("dark", x, 0.45, wheel, wheel) for x in (-0.52, 0.52)]
    hubs = [ellipse("light", x, 0.45, wheel * 0.45, wheel * 0.45) for x in (-0.52, 0.52)]
    return [cabin, *panes, body, *lamps, *wheels, *hubs]


def _cat(rng: Random) -> list[Part]:
    width, ear, lean = rng.uniform(0.36, 0.48), rng.uniform(0.28, 0.42), rng.uniform(-0.1, 0.1)
    swing = rng.uniform(0.6, 0.95)
    tail = ribbon(
        "main", [(0.3, 0.75), (swing * 0.8, 0.7), (swing, 0.35), (swing - 0.05, 0.0), (swing + 0.08, -0.2)], 0.16
    )
    body = ellipse("main", 0.0, 0.45, width, 0.52)
    chest = ellipse("light", 0.0, 0.4, width * 0.5, 0.32)
    feet = [ellipse("main", x, 0.88, 0.19, 0.1) for x in (-0.2, 0.2)]
    ears = [
        polygon("main", (s * 0.4 + lean, -0.35), (s * 0.36 + lean, -0.6 - ear), (s * 0.04 + lean, -0.62))
        for s in (-1, 1)
    ]
    inner = [
        polygon("second", (s * 0.33 + lean, -0.5), (s * 0.32 + lean, -0.5 - ear), (s * 0.14 + lean, -0.62))
        for s in (-1, 1)
    ]
    head = ellipse("main", lean, -0.32, 0.44, 0.38)
    eyes = [ellipse("leaf", s * 0.17 + lean, -0.38, 0.09, 0.1) for s in (-1, 1)]
    pupils = [ellipse("dark", s * 0.17 + lean, -0.38, 0.035, 0.09) for s in (-1, 1)]
    nose = polygon("second", (lean - 0.06, -0.22), (lean + 0.06, -0.22), (lean, -0.14))
    whiskers = [
        ribbon("dark", [(s * 0.12 + lean, -0.16 + d * 0.4), (s * 0.55 + lean, -0.18 + d)], 0.025)
        for s in (-1, 1)
        for d in (0.0, 0.1)
    ]
    return [tail, body, chest, *feet, *ears, *inner, head, *eyes, *pupils, nose, *whiskers]


def _fish(rng: Random) -> list[Part]:
    height, fork = rng.uniform(0.34, 0.52), rng.uniform(0.3, 0.5)
    tail = polygon("second", (0.5, 0.0), (0.98, -fork), (0.85, 0.0), (0.98, fork))
    fin = polygon("second", (-0.3, -height * 0.8), (0.1, -height - rng.uniform(0.15, 0.35)), (0.35, -height * 0.6))
    belly = polygon("second", (-0.1, height * 0.9), (0.2, height + 0.22), (0.28, height * 0.7))
    upper = arc(-0.1, 0.0, 0.8, height, math.pi, 2 * math.pi)
    body = polygon("main", *upper, *arc(-0.1, 0.0, 0.8, height, 0.0, math.pi)[1:-1])
    bands = []
    for x in np.linspace(-0.2, 0.4, int(rng.integers(0, 4))):
        reach = height * 0.85 * math.sqrt(max(0.05, 1 - ((float(x) + 0.1) / 0.8) ** 2))
        bands.append(ribbon("light", [(float(x), -reach), (float(x) + 0.06, 0.0), (float(x), reach)], 0.1))
    gill = polygon("second", (-0.18, 0.0), (0.12, -0.12), (0.08, 0.16))
    eye = [ellipse("light", -0.6, -0.1, 0.11, 0.11), ellipse("dark", -0.62, -0.1, 0.055, 0.055)]
    return [tail, fin, belly, body, *bands, gill, *eye]


def _flower(rng: Random) -> list[Part]:
    petals, long = int(rng.integers(5, 10)), rng.uniform(0.32, 0.46)
    x, y, phase = rng.uniform(-0.15, 0.15), rng.uniform(-0.5, -0.35), rng.uniform(0.0, 1.0)
    stem = ribbon("leaf", [(x, y), (x * 0.3 + 0.06, 0.3), (0.0, 0.98)], 0.09)
    leaves = [
        ellipse("leaf", s * 0.27, rng.uniform(0.35, 0.7), 0.3, 0.12, s * rng.uniform(-0.8, -0.3))
        for s in ((-1, 1) if rng.random() < 0.7 else (1,))
    ]
    crown = []
    for i in range(petals):
        turn = 2 * math.pi * (i + phase) / petals
        crown.append(
            ellipse("main", x + math.cos(turn) * long, y + math.sin(turn) * long, long * 0.68, 1.15 / petals, turn)
        )
    return [stem, *leaves, *crown, ellipse("second", x, y, 0.21, 0.21)]


def _house(rng: Random) -> list[Part]:
    wide, eaves, ridge = rng.uniform(0.6, 0.8), rng.uniform(-0.25, -0.05), rng.uniform(-0.95, -0.7)
    lean = rng.uniform(-0.2, 0.2)
    chimney = box("wood", 0.28, ridge + 0.02, 0.46, eaves)
    wall = box("light" if rng.random() < 0.5 else "second", -wide, eaves, wide, 0.85)
    roof = polygon("main", (-wide - 0.17, eaves + 0.03), (lean, ridge), (wide + 0.17, eaves + 0.03))
    left = rng.uniform(-0.5, 0.2)
    door = box("wood", left, 0.3, left + 0.3, 0.85)
    panes = []
    for x in (-0.42, 0.42):
        if abs(x - left - 0.15) > 0.33:
            panes.append(box("glass", x - 0.17, 0.12, x + 0.17, 0.45))
            panes.append(box("light", x - 0.02, 0.12, x + 0.02, 0.45))
    if rng.random() < 0.5:
        panes.append(ellipse("glass", lean * 0.5, (ridge + eaves) / 2 + 0.1, 0.12, 0.12))
    return [chimney, wall, roof, door, *panes]


def _mushroom(rng: Random) -> list[Part]:
    wide, top, rim = rng.uniform(0.72, 0.95), rng.uniform(0.75, 1.0), rng.uniform(-0.05, 0.15)
    thick = rng.uniform(0.16, 0.27)
    stalk = polygon(
        "light", (-thick * 0.8, rim), (thick * 0.8, rim), (thick * 1.3, 0.88), (0.0, 0.95), (-thick * 1.3, 0.88)
    )
    gills = ellipse("second", 0.0, rim, wide * 0.9, 0.13)
    cap = polygon(
        "main", *arc(0.0, rim, wide, top, math.pi, 2 * math.pi), *arc(0.0, rim, wide, 0.1, 0.0, math.pi, 8)[1:-1]
    )
    spots = []
    for x, y in ((-0.55, 0.3), (-0.2, 0.62), (0.2, 0.35), (0.5, 0.55), (0.72, 0.2)):
        if rng.random() < 0.8:
            size = rng.uniform(0.07, 0.14)
            spots.append(ellipse("light", x * wide * 0.9, rim - y * top * 0.95, size, size * 0.85))
    return [stalk, gills, cap, *spots]


def _umbrella(rng: Random) -> list[Part]:
    wide, top, rim = rng.uniform(0.8, 0.98), rng.uniform(0.6, 0.8), rng.uniform(-0.2, -0.05)
    ribs = int(rng.integers(3, 6))
    hook = rng.uniform(0.12, 0.2)
    stick = [(0.0, rim - top - 0.08), (0.0, 0.75), *arc(hook, 0.75, hook, hook, math.pi, 0.0, 8)[1:]]
    panels = []
    for i in range(ribs):
        x0, x1 = -wide + 2 * wide * i / ribs, -wide + 2 * wide * (i + 1) / ribs
        # A rib is half an ellipse from the tip to its end at the rim; between two ribs the cloth hangs in a scallop.
        left = arc(0.0, rim, x0, top, -0.5 * math.pi, 0.0, 10)
        right = arc(0.0, rim, x1, top, -0.5 * math.pi, 0.0, 10)
        scallop = arc((x0 + x1) / 2, rim, (x1 - x0) / 2, -0.1, math.pi, 2 * math.pi, 8)
        panels.append(
            polygon("main" if i % 2 == 0 else "second", *left, *[(x, 2 * rim - y) for x, y in scallop], *right[::-1])
        )
    return [ribbon("wood", stick, 0.08), *panels]


DRAWERS: dict[str, Callable[[Random], list[Part]]] = {
    "boat": _boat,
    "car": _car,
    "cat": _cat,
    "fish": _fish,
    "flower": _flower,
    "house": _house,
    "mushroom": _mushroom,
    "umbrella": _umbrella,
}
"""How each class is drawn, by its name."""
