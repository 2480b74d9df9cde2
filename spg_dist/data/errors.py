"""Errors about data sets and images that the user can cure."""

from __future__ import annotations


class DatasetError(ValueError):
    """The data set's folder, split files or classes are not as expected; the message names the cure."""


class ImageRejected(ValueError):
    """One image file cannot be used. `reason` goes into the list of images set aside.

    Arguments:
        reason: one sentence without the path, e.g. "the file is empty (0 bytes)".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def first_three(items: list[str], separator: str = ", ") -> str:
    """The first three of some names, for a message: "a, b, c and 7 more"."""
    rest = f" and {len(items) - 3:,} more" if len(items) > 3 else ""
    return separator.join(items[:3]) + rest
