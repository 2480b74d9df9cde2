"""What a layout reads from a data set's folder, and the quick walk that all layouts share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from spg_dist.data.manifest import Split

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
SPLIT_FILES_FOLDER = "spg_coop_splits"
# Folders that operating systems, network drives and notebooks put anywhere (those that begin with a dot are hidden).
SYSTEM_FOLDERS = frozenset(
    {
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "@Recycle",
        "@Recently-Snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
    }
)
# Folders beside the domains that hold no images of a domain.
NO_DOMAINS = frozenset({SPLIT_FILES_FOLDER, "splits"})


class FoundImage(NamedTuple):
    """An image file on disk. `path` is relative to the listing's root; `split` is None where folders do not say it."""

    path: str
    domain: str
    class_folder: str
    split: Split | None


class SplitRow(NamedTuple):
    """A line of a split file. `path` is relative to the listing's root; the file need not exist."""

    path: str
    domain: str
    class_folder: str
    label: int
    split: Split
    source: str


@dataclass(frozen=True)
class Listing:
    """One data set as found: names as on disk, nothing checked against each other yet.

    Arguments:
        root: absolute folder that paths are relative to.
        images: image files on disk.
        rows: lines of split files, None where the layout has none.
        splits: where the splits come from, for the log; empty if they must be drawn.
    """

    root: Path
    images: list[FoundImage]
    rows: list[SplitRow] | None
    splits: str


@dataclass(frozen=True)
class Layout:
    """A way to arrange a data set on disk.

    Arguments:
        name: for the log, e.g. "SPG authors'".
        expects: what it looks for, for messages.
        matches: whether a folder is arranged so (reads as little as possible).
        read: lists the folder.
    """

    name: str
    expects: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Listing]


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder that may hold images; symbolic links to folders count."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if may_hold_images(entry.name) and entry.is_dir())


def may_hold_images(name: str) -> bool:
    """By a folder's name: it is neither hidden nor one of SYSTEM_FOLDERS."""
    return not name.startswith(".") and name not in SYSTEM_FOLDERS


def domain_folders(base: Path) -> list[str]:
    """Sorted names of the folders that may be domains."""
    return [name for name in subfolders(base) if name not in NO_DOMAINS]


def is_image(name: str) -> bool:
    """By suffix only: a walk over 600,000 images must not open or stat any."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")  # noqa: PTH122


def image_files(folder: Path) -> list[str]:
    """Names of the image files directly in a folder."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if is_image(entry.name)]


def has_image(folder: Path) -> bool:
    """Whether an image lies directly in a folder."""
    with os.scandir(folder) as entries:
        return any(is_image(entry.name) for entry in entries)


def walk_images(folder: Path, prefix: str = "", above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Relative paths (prefix + names, forward slashes) of all images at any depth, in no particular order.

    Symbolic links are followed; one that leads back up is not.

    Arguments:
        above: device and inode of each folder on the way down to this one.
    """
    status = folder.stat()
    here = status.st_dev, status.st_ino
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_image(entry.name):
                yield prefix + entry.name
            elif may_hold_images(entry.name) and entry.name not in NO_DOMAINS and entry.is_dir():
                yield from walk_images(Path(entry.path), f"{prefix}{entry.name}/", above | {here})


def image_base(folder: Path) -> tuple[Path, str]:
    """The folder that holds the domains and its prefix in relative paths: `images/` where there is one, or `folder`."""
    if (folder / "images").is_dir():
        return folder / "images", "images/"
    return folder, ""
