"""A layout as a plugin: `manifest.csv` with the columns path, domain, class and, if splits are given, split."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from spg_dist.data.confinement import escapes
from spg_dist.data.errors import DatasetError, first_three
from spg_dist.data.image_files import walk_images
from spg_dist.data.layouts import FoundImage, Layout, Listing, PassedOver
from spg_dist.data.manifest import Split
from spg_dist.data.split_files import read_split_text

SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}


def _image(row: dict[str, str], where: str) -> FoundImage:
    path, domain, name, split = (row.get(column) or "" for column in ("path", "domain", "class", "split"))
    if not (path and domain and name) or (split and split not in SPLITS):
        raise DatasetError(f"{where}: expected path, domain, class and a split of {', '.join(SPLITS)}, or none")
    if escapes(path):
        raise DatasetError(f"{where}: the path {path!r} leaves the data set's folder; remove it")
    return FoundImage(path, domain, name, SPLITS.get(split))


def _read(folder: Path) -> Listing:
    file = folder / "manifest.csv"
    rows = csv.DictReader(io.StringIO(read_split_text(file)))
    images = [_image(row, f"{file}, line {rows.line_num}") for row in rows]
    on_disk, listed = set(walk_images(folder)), {image.path for image in images}
    if absent := sorted(listed - on_disk):
        raise DatasetError(f"{file} names {len(absent):,} images that are not there: {first_three(absent)}")
    if len(listed) < len(images) or len({image.split is None for image in images}) > 1:
        raise DatasetError(f"{file}: expected each image once, and a split for all of them or for none")
    return Listing(
        root=folder,
        images=images,
        rows=None,
        splits="manifest.csv" if images and images[0].split else "",
        passed_over=tuple(PassedOver(path, "that manifest.csv does not name") for path in sorted(on_disk - listed)),
    )


LAYOUT = Layout(
    name="csv-manifest",
    title="CSV manifest",
    expects="<root>/manifest.csv with the columns path, domain, class and perhaps split",
    rank=5,
    matches=lambda folder: (folder / "manifest.csv").is_file(),
    read=_read,
)
