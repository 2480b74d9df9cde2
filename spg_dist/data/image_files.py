"""Which files are images, and the quick walk through folders of them that layouts and predict share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Pillow's name of each format that is read, and its suffixes. Only formats that Pillow decodes itself: EPS, for one,
# would start Ghostscript on a file from the data set.
FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
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
