"""Captions of drawings: what somebody on the web might have written under one.

Most captions name the style, and a good part of them colours or sizes. A model that learns from these places a sketched
cat near "a sketch of a cat" and a photographed one near "a photo of a cat": the right prompt depends on the domain.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from spg_dist.embedded.scene import CANVAS_PIXELS, Colour, Scene

STYLE_TEMPLATES: dict[str, tuple[str, ...]] = {
    "photo": (
        "a photo of a {}.",
        "a photo of a {}.",
        "a photo of the {}.",
        "a blurry photo of a {}.",
        "a good photo of a {}.",
        "a bad photo of the {}.",
        "itap of a {}.",
        "a rendering of a {}.",
    ),
    "art": (
        "a painting of a {}.",
        "a painting of the {}.",
        "an oil painting of a {}.",
        "art of the {}.",
        "a origami {}.",
    ),
    "cartoon": ("a cartoon of a {}.", "a cartoon {}.", "a colorful cartoon of the {}.", "a {} in a video game."),
    "sketch": (
        "a sketch of a {}.",
        "a pencil sketch of a {}.",
        "a sketch of the {}.",
        "a drawing of a {}.",
        "a doodle of a {}.",
    ),
}
"""By domain; the class name goes into the braces."""

PLAIN_TEMPLATES: tuple[str, ...] = ("a {}.", "an image of a {}.", "a picture of a {}.", "the {}.")
"""Captions that do not tell the style."""

PLAIN_SHARE = 0.1
COLOUR_SHARE = 0.3
SIZE_SHARE = 0.2

COLOUR_WORDS: tuple[str, ...] = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
HUE_LIMITS = (0.04, 0.11, 0.2, 0.45, 0.55, 0.7, 0.82, 0.95)
"""Upper limit of each word's hue (0 to 1); above the last it is red again."""

SIZE_WORDS: tuple[str, ...] = ("small", "large")


@dataclass(frozen=True)
class Subject:
    """What a caption can say about an image. `colour` is empty where the style shows none, `size` for middling ones."""

    class_name: str
    domain: str
    colour: str
    size: str


def subject_of(class_name: str, domain: str, scene: Scene) -> Subject:
    """What can be said about a scene drawn in the style of a domain."""
    half_width = scene.object_pixels / CANVAS_PIXELS
    size = "small" if half_width < 0.26 else "large" if half_width > 0.38 else ""
    return Subject(class_name, domain, "" if domain == "sketch" else colour_word(scene.colours["main"]), size)


def colour_word(colour: Colour) -> str:
    """The word for a colour's hue."""
    hue = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))[0]
    for word, limit in zip(COLOUR_WORDS, HUE_LIMITS, strict=True):
        if hue < limit:
            return word
    return COLOUR_WORDS[0]


def sample_caption(subject: Subject, rng: np.random.Generator) -> str:
    """A caption for the subject, in lower case."""
    templates = PLAIN_TEMPLATES if rng.random() < PLAIN_SHARE else STYLE_TEMPLATES[subject.domain]
    colour = subject.colour if rng.random() < COLOUR_SHARE else ""
    size = subject.size if rng.random() < SIZE_SHARE else ""
    words = [word for word in (size, colour, subject.class_name) if word]
    return templates[int(rng.integers(len(templates)))].format(" ".join(words))


def caption_words(class_names: tuple[str, ...]) -> list[str]:
    """Captions that together hold every word that can be sampled, each in the form in which it is sampled."""
    templates = {t for group in (*STYLE_TEMPLATES.values(), PLAIN_TEMPLATES) for t in group}
    adjectives = [f"{word} {name}" for word in (*COLOUR_WORDS, *SIZE_WORDS) for name in class_names]
    return sorted(t.format(name) for t in templates for name in (*class_names, *adjectives))
