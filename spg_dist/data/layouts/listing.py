"""What a layout reads from a data set's folder, and the quick walk that all layouts share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from spg_dist.data.manifest import Split

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# What holds pictures too, and is not read: what Pillow reads with other libraries or not at all, raw and vector files.
UNREAD_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".psd", ".tga", ".ico", ".eps", ".exr", ".hdr"}
    | {".pbm", ".pnm", ".pfm", ".dds", ".pcx", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"}
)
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


Reason = Literal["deeper than the class folders", "outside the class folders", "in formats that are not read"]


class PassedOver(NamedTuple):
    """An image that a layout comes across and does not use. `path` is relative to the listing's root."""

    path: str
    reason: Reason


class FoundImage(NamedTuple):
    """An image file on disk. `path` is relative to the listing's root; `split` is None where folders do not say it."""

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
        rows: lines of split files, None where the layout has none.
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


def is_unread(name: str) -> bool:
    """By suffix: it holds a picture in a format that is not read."""
    return os.path.splitext(name)[1].lower() in UNREAD_SUFFIXES and not name.startswith(".")  # noqa: PTH122


def has_image(folder: Path) -> bool:
    """Whether an image lies directly in a folder."""
    with os.scandir(folder) as entries:
        return any(is_image(entry.name) for entry in entries)


def walk_images(
    folder: Path, prefix: str = "", unread: list[str] | None = None, above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[str]:
    """Relative paths (prefix + names, forward slashes) of all images at any depth, in no particular order.

    Symbolic links are followed; one that leads back up is not.

    Arguments:
        unread: takes the paths of the images in formats that are not read.
        above: device and inode of each folder on the way down to this one.
    """
    here = identity(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_image(entry.name):
                yield prefix + entry.name
            elif unread is not None and is_unread(entry.name):
                unread.append(prefix + entry.name)
            elif may_hold_images(entry.name) and entry.name not in NO_DOMAINS and entry.is_dir():
                yield from walk_images(Path(entry.path), f"{prefix}{entry.name}/", unread, above | {here})


def identity(folder: Path) -> tuple[int, int]:
    """Device and inode of a folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def image_base(folder: Path) -> tuple[Path, str]:
    """The folder that holds the domains and its prefix in relative paths: `images/` where there is one, or `folder`."""
    if (folder / "images").is_dir():
        return folder / "images", "images/"
    return folder, ""
