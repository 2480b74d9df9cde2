"""Small folders of drawn images, for tests of everything that reads a data set."""

from __future__ import annotations

from pathlib import Path

from spg_dist.embedded.drawing import draw

DOMAINS = ("art", "photo", "sketch")
CLASSES = ("boat", "car", "fish")


def draw_images(
    root: Path, domains: tuple[str, ...] = DOMAINS, classes: tuple[str, ...] = CLASSES, each: int = 6
) -> Path:
    """Drawings in a generic layout: `<root>/<domain>/<class>/<n>.png`."""
    for domain in domains:
        for name in classes:
            (root / domain / name).mkdir(parents=True, exist_ok=True)
            for i in range(each):
                draw(name, domain, 1, i).save(root / domain / name / f"{i}.png", compress_level=1)
    return root
