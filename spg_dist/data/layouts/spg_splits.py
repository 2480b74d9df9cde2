"""The SPG authors' layout: `images/<domain>/.../<image>` with `spg_coop_splits/<letter>_train_val_split.json`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from spg_dist.data.confinement import forward
from spg_dist.data.errors import DatasetError
from spg_dist.data.image_files import SPLIT_FILES_FOLDER, image_base, walk_images
from spg_dist.data.layouts import FoundImage, Layout, Listing, PassedOver, SplitRow
from spg_dist.data.split_files import FileRow, read_split_file, split_files

VLCS_COPIES = frozenset({"train", "crossval"})


def _read(folder: Path) -> Listing:
    base, prefix = image_base(folder)
    unread: list[str] = []
    on_disk = set(walk_images(base, prefix, unread))
    rows: dict[str, SplitRow] = {}
    for file in split_files(folder / SPLIT_FILES_FOLDER):
        for row in _resolve(file, read_split_file(file), on_disk, prefix):
            earlier = rows.setdefault(row.path, row)
            if earlier is not row:
                raise DatasetError(
                    f"{file} names {row.path}, and so does {earlier.source}; restore the published files"
                )
    least = prefix.count("/") + 2
    images = [_found(path, prefix) for path in sorted(on_disk) if path.count("/") >= least]
    outside = sorted(path for path in on_disk if path.count("/") < least)
    return Listing(
        root=folder,
        images=_without_copies(images, rows),
        rows=list(rows.values()),
        splits=f"published files in {folder / SPLIT_FILES_FOLDER}",
        passed_over=(
            *(PassedOver(path, "outside the class folders") for path in outside),
            *(PassedOver(path, "in formats that are not read") for path in sorted(unread)),
        ),
    )


def _resolve(file: Path, file_rows: list[FileRow], on_disk: set[str], prefix: str) -> list[SplitRow]:
    """The rows with paths relative to the data set's folder.

    The folder names in front of the domain differ between releases ("PACS/images/", "office_home_dg/"). How many of
    them to drop is read off the first row whose image is found, and is then the same for the whole file.
    """
    drop = _folders_to_drop(file_rows, on_disk, prefix)
    rows = []
    for row in file_rows:
        parts = forward(row.path).split("/")[drop:]
        if len(parts) < 2:
            raise DatasetError(
                f"{file}: the path {row.path!r} is too short, expected <data set>/images/<domain>/<class>/<image>; "
                "restore the published file"
            )
        path, place = prefix + "/".join(parts), f"{row.split}[{row.number}]"
        rows.append(SplitRow(path, parts[0], row.class_name, row.label, row.split, file.name, place))
    return rows


def _folders_to_drop(rows: list[FileRow], on_disk: set[str], prefix: str) -> int:
    for row in rows:
        parts = forward(row.path).split("/")
        for drop in range(len(parts) - 2):
            if prefix + "/".join(parts[drop:]) in on_disk:
                return drop
    parts = forward(rows[0].path).split("/") if rows else []
    return parts.index("images") + 1 if "images" in parts else 1


def _found(path: str, prefix: str) -> FoundImage:
    parts = path.removeprefix(prefix).split("/")
    return FoundImage(path, domain=parts[0], class_folder=parts[-2], split=None)


def _without_copies(images: list[FoundImage], rows: dict[str, SplitRow]) -> list[FoundImage]:
    """VLCS holds train and crossval images twice, again in `full`: keep the copies that the split files name."""
    holders: dict[str, set[str]] = defaultdict(set)
    for image in images:
        holders[image.domain].add(_holder(image))
    if not any({"full", *VLCS_COPIES} <= names for names in holders.values()):
        return images
    copies = VLCS_COPIES if any("/full/" in path for path in rows) else frozenset({"full"})
    return [image for image in images if image.path in rows or _holder(image) not in copies]


def _holder(image: FoundImage) -> str:
    """The folder that holds the class folder: the domain, or the split in releases that have split folders."""
    return image.path.rsplit("/", 3)[-3]


LAYOUT = Layout(
    name="spg-splits",
    title="SPG authors'",
    expects=f"<root>/{SPLIT_FILES_FOLDER}/<letter>_train_val_split.json and <root>/images/<domain>/<class>/<image>",
    rank=10,
    matches=lambda folder: bool(split_files(folder / SPLIT_FILES_FOLDER)),
    read=_read,
    splits_next_to_images=True,
)
