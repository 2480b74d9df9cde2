"""The layouts in which people have data sets: what one is, what it reads, and the table of all of them.

A layout is a module here, or a plugin, with an object `LAYOUT`; nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cache.extensions import Table, modules_of
from spg_dist.data.manifest import Split


class PassedOver(NamedTuple):
    """An image that a layout comes across and does not use. `path` is relative to the listing's root, `reason` is said
    after a number of images: "outside the class folders"."""

    path: str
    reason: str


class FoundImage(NamedTuple):
    """An image file on disk. `path` is relative to the listing's root; `split` is None where it must be drawn, or where
    rows say it."""

    path: str
    domain: str
    class_folder: str
    split: Split | None


class SplitRow(NamedTuple):
    """A row of a split file. `path` is relative to the listing's root; the file need not exist.

    `class_folder` is what the row calls its class, or its folder where it says nothing. `source` is the file's name,
    `place` where in it the row stands.
    """

    path: str
    domain: str
    class_folder: str
    label: int
    split: Split
    source: str
    place: str

    @property
    def where(self) -> str:
        """File and place, for messages."""
        return f"{self.source} ({self.place})"


@dataclass(frozen=True)
class Listing:
    """One data set as found: names as on disk, nothing checked against each other yet.

    Arguments:
        root: absolute folder that paths are relative to.
        images: image files on disk.
        rows: lines of split files that give images of class folders their splits; then all else is unused, and a row
            may not contradict its folder. None where the images say all: by their folders, or by a list of their own.
        splits: where the splits come from, for the log; empty if they must be drawn.
        passed_over: image files on disk that are not in `images`.
    """

    root: Path
    images: list[FoundImage]
    rows: list[SplitRow] | None
    splits: str
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way to arrange a data set on disk.

    Arguments:
        name: that of its module, with dashes.
        title: for the log, e.g. "SPG authors'".
        expects: what it looks for, for messages.
        rank: layouts are tried from the lowest on, and the first that matches is read. Those below 40 look for a file
            of their own; from 40 on they look at nothing but folders.
        matches: whether a folder is arranged so (reads as little as possible).
        read: lists the folder.
        serves_folder: whether it is tried for `data.dataset=folder`, where a class may be called anything.
        splits_next_to_images: whether its split files lie next to a folder `images/`, which may be given as the root.
    """

    name: str
    title: str
    expects: str
    rank: int
    matches: Callable[[Path], bool]
    read: Callable[[Path], Listing]
    serves_folder: bool = True
    splits_next_to_images: bool = False


LAYOUTS: Table[Layout] = Table("layout", modules_of("spg_dist.data.layouts"))


def layouts_for(dataset: str) -> list[Layout]:
    """Those that are tried for a value of `data.dataset`, in order."""
    ordered = sorted(LAYOUTS, key=lambda layout: (layout.rank, layout.name))
    return [layout for layout in ordered if layout.serves_folder or dataset != "folder"]
