"""Text lists of `path label` lines, one for each domain and split: what the layouts with such lists share."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from pathlib import Path

from spg_dist.data.class_walk import ClassWalk
from spg_dist.data.confinement import escapes, forward
from spg_dist.data.errors import DatasetError
from spg_dist.data.image_files import domain_folders, image_base
from spg_dist.data.layouts import Listing, SplitRow
from spg_dist.data.manifest import Split
from spg_dist.data.split_files import read_split_text


def list_files(folder: Path, endings: dict[str, Split]) -> list[tuple[Path, Split]]:
    """The list files in `splits/` or the folder itself, in the order of the endings (train before val before test)."""
    domains = domain_folders(image_base(folder)[0])
    for place in (folder / "splits", folder):
        names = sorted(path.name for path in place.glob("*.txt"))
        found = [(place / name, end, split) for end, split in endings.items() for name in names if name.endswith(end)]
        files = [(file, split) for file, end, split in found if _is_list_of(file, file.name.removesuffix(end), domains)]
        if files:
            return files
    return []


def _is_list_of(file: Path, domain: str, domains: list[str]) -> bool:
    """A list is named after its domain, whose folder is there or at least named in it: `notes_train.txt` is none."""
    if domain in domains:
        return True
    with file.open("rb") as lines:
        first = next(lines, b"").removeprefix(codecs.BOM_UTF8).replace(b"\\", b"/")
    return first.startswith(os.fsencode(f"{domain}/"))


def _lines(file: Path) -> Iterator[tuple[int, str, int]]:
    """Number of each line, its path and its label."""
    for number, line in enumerate(io.StringIO(read_split_text(file), newline=None), start=1):
        if not line.strip():
            continue
        written, _, label = line.strip().rpartition(" ")
        path = forward(written)
        if path.count("/") < 2 or not label.isdecimal():
            raise DatasetError(
                f"{file}, line {number}: {line.strip()[:80]!r} is not '<domain>/<class>/<image> <label>'; "
                "restore the published file"
            )
        if escapes(path):
            raise DatasetError(f"{file}, line {number}: the path {path!r} leaves the data set's folder; remove it")
        yield number, path, int(label)


def _rows(files: list[tuple[Path, Split]], prefix: str) -> list[SplitRow]:
    rows: dict[str, SplitRow] = {}
    for file, split in files:
        for number, path, label in _lines(file):
            domain, class_folder = path.split("/")[:2]
            row = SplitRow(prefix + path, domain, class_folder, label, split, file.name, f"line {number}")
            earlier = rows.setdefault(row.path, row)
            # Dassl's PACS test lists repeat train and crossval: only rows beyond those are test images.
            if earlier is not row and split != "test":
                raise DatasetError(
                    f"{file} names {path}, and so does {earlier.source} ({earlier.split}): an image belongs to one "
                    "split; restore the published files"
                )
    return list(rows.values())


def read_lists(folder: Path, endings: dict[str, Split]) -> Listing:
    """The images on disk, and a row for each line of the lists that end in this way."""
    files = list_files(folder, endings)
    walk = ClassWalk(*image_base(folder))
    images = [image for domain in walk.domains() for image in walk.images(f"{domain}/")]
    splits = f"published lists in {files[0][0].parent}"
    return Listing(folder, images, _rows(files, walk.prefix), splits, tuple(walk.passed_over))
