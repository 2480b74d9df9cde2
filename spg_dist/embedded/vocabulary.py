"""Names of the drawn data set: what is drawn, and in which styles."""

from __future__ import annotations

DRAWN_CLASSES: tuple[str, ...] = ("boat", "car", "cat", "fish", "flower", "house", "mushroom", "umbrella")
"""Class names in label order."""

DRAWN_DOMAINS: tuple[str, ...] = ("art", "cartoon", "photo", "sketch")
"""Domain names in index order (sorted, as the published split files number theirs); their first letters differ, for
the split files are named by them."""
