"""Captions of drawings: what somebody on the web might have written under one."""

from __future__ import annotations

import numpy as np

STYLE_TEMPLATES: dict[str, tuple[str, ...]] = {
    "photo": ("a photo of a {}.", "a photo of the {}.", "a blurry photo of a {}.", "a photo of a small {}."),
    "art": ("a painting of a {}.", "a painting of the {}.", "an oil painting of a {}.", "art of a {}."),
    "cartoon": ("a cartoon of a {}.", "a cartoon {}.", "a colorful cartoon of the {}.", "a drawing of a {}."),
    "sketch": ("a sketch of a {}.", "a pencil sketch of a {}.", "a sketch of the {}.", "a drawing of a {}."),
}
"""By domain; the class name goes into the braces."""

PLAIN_TEMPLATES: tuple[str, ...] = ("a {}.", "an image of a {}.", "a picture of a {}.", "a photo of a {}.", "the {}.")
"""Captions that do not tell the style: on the web, anything is called a photo now and then."""

PLAIN_SHARE = 0.35
"""Share of captions that do not tell the style."""


def sample_caption(class_name: str, domain: str, rng: np.random.Generator) -> str:
    """A caption for an image of the class in the domain."""
    templates = PLAIN_TEMPLATES if rng.random() < PLAIN_SHARE else STYLE_TEMPLATES[domain]
    return templates[int(rng.integers(len(templates)))].format(class_name)


def all_captions(class_names: tuple[str, ...]) -> list[str]:
    """Every caption that can be sampled for the classes, sorted."""
    templates = {t for group in (*STYLE_TEMPLATES.values(), PLAIN_TEMPLATES) for t in group}
    return sorted(t.format(name) for t in templates for name in class_names)
