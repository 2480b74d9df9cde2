"""From a configuration to the manifest: find the data set, check names and splits, draw splits where there are none."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from spg_dist.data.class_labels import class_labels
from spg_dist.data.config import DataConfig
from spg_dist.data.errors import DatasetError, first_three
from spg_dist.data.locating import FoundDataset, find_dataset
from spg_dist.data.manifest import ImageRecord, Manifest, Split
from spg_dist.data.split_draw import Drawable, draw_splits

log = logging.getLogger(__name__)


class Named(NamedTuple):
    """An image under the manifest's names; `split` is None until drawn."""

    path: str
    domain: str
    class_name: str
    split: Split | None


def load_manifest(config: DataConfig, writable_splits: Path) -> Manifest:
    """The manifest of any data set on disk, in any of the known layouts.

    Arguments:
        config: `dataset` other than "drawn"; a drawn data set is loaded as "folder" once it is on disk.
        writable_splits: folder for splits that have to be drawn; nothing is ever written into `config.root`.

    Raises:
        DatasetError: the folder, its split files or classes are not as expected; the message names the cure.
    """
    assert config.dataset != "drawn", "a drawn data set is loaded as a folder once it is on disk"
    found = find_dataset(config)
    images = _named(found)
    labels = class_labels(found)
    domains = _domains(found, images)
    _check_classes(found, images, domains, labels)
    splits_source = f"{found.layout} layout, {found.listing.splits}"
    if not found.listing.splits:
        images, folder = _draw(found, images, labels, config, writable_splits)
        splits_source = f"{found.layout} layout, splits drawn with seed {config.split_seed}, kept in {folder}"
    _check_splits(found, images, domains)
    manifest = _manifest(found, images, domains, labels, splits_source)
    log.info("%s: %s images in %s, %s", manifest.dataset, len(images), manifest.root, splits_source)
    return manifest


def _named(found: FoundDataset) -> list[Named]:
    """The images of the split files, or all images where there are none, under their names in the manifest."""
    listing = found.listing
    if listing.rows is None:
        on_disk = [(i, found.domain(i.domain)) for i in listing.images]
        return [Named(i.path, name, found.class_name(i.class_folder), i.split) for i, name in on_disk if name]
    _check_rows_present(found)
    rows = [(row, found.domain(row.domain)) for row in listing.rows]
    return [Named(row.path, name, found.class_name(row.class_folder), row.split) for row, name in rows if name]


def _check_rows_present(found: FoundDataset) -> None:
    assert found.listing.rows is not None
    on_disk = {image.path for image in found.listing.images}
    absent: dict[str, list[str]] = defaultdict(list)
    for row in found.listing.rows:
        if row.path not in on_disk:
            absent[row.source].append(row.path)
    if absent:
        files = "; ".join(f"{source} names {len(p):,}: {first_three(p)}" for source, p in sorted(absent.items()))
        raise DatasetError(
            f"split files name images that are not under {found.listing.root}. {files}. Restore the images, or run "
            "`spg-dist data check` for the whole list"
        )


def _domains(found: FoundDataset, images: list[Named]) -> list[str]:
    """Sorted names of the domains, all of which must have images and, where there are split files, rows."""
    folders: dict[str, list[str]] = defaultdict(list)
    for folder in found.domain_folders():
        name = found.domain(folder)
        if name:
            folders[name].append(folder)
    for name, several in folders.items():
        if len(several) > 1:
            raise DatasetError(
                f"{found.listing.root}: the folders {' and '.join(several)} are both the domain {name}; keep one"
            )
    expected = set(found.published.domains) if found.published else set(folders)
    missing = sorted(expected - {image.domain for image in images})
    if missing:
        where = "no rows in the split files" if missing[0] in folders else "no folder with images"
        raise DatasetError(
            f"{found.name} in {found.listing.root}: domain {', '.join(missing)} has {where}. Add what is missing, or "
            "use data.dataset=folder with a folder of just the domains that you want"
        )
    return sorted(expected)


def _check_classes(found: FoundDataset, images: list[Named], domains: list[str], labels: dict[str, int]) -> None:
    present = {(image.domain, image.class_name) for image in images}
    allowed = found.published.absent_classes if found.published else frozenset()
    for domain in domains:
        absent = [name for name in labels if (domain, name) not in present and (domain, name) not in allowed]
        if absent:
            others = [d for d in domains if (d, absent[0]) in present]
            raise DatasetError(
                f"{found.name} in {found.listing.root}: domain {domain} has no images of {len(absent)} of "
                f"{len(labels)} classes ({first_three(absent)}), which are in {', '.join(others)}. All domains need the "
                "same classes: add the images, correct the folder's name, or take the class out of the other domains"
            )


def _check_splits(found: FoundDataset, images: list[Named], domains: list[str]) -> None:
    present = {(image.domain, image.split) for image in images}
    for domain in domains:
        for split in ("train", "val"):
            if (domain, split) not in present:
                raise DatasetError(
                    f"{found.name} in {found.listing.root}: domain {domain} has no {split} images "
                    f"({found.listing.splits}). Restore its split files, or remove all of them to have splits drawn"
                )


def _draw(
    found: FoundDataset, images: list[Named], labels: dict[str, int], config: DataConfig, writable_splits: Path
) -> tuple[list[Named], Path]:
    drawable = [Drawable(i.path, i.domain, i.class_name, labels[i.class_name]) for i in images]
    drawn = draw_splits(drawable, found.name, config.split_seed, config.train_share, writable_splits)
    return [image._replace(split=drawn.split_of[image.path]) for image in images], drawn.folder


def _manifest(
    found: FoundDataset, images: list[Named], domains: list[str], labels: dict[str, int], splits_source: str
) -> Manifest:
    domain_index = {name: index for index, name in enumerate(domains)}
    records = []
    for image in images:
        assert image.split is not None
        records.append(ImageRecord(image.path, labels[image.class_name], domain_index[image.domain], image.split))
    records.sort(key=lambda record: (record.domain, record.label, record.path))
    endings = found.published.left_out if found.published else ()
    return Manifest(
        dataset=found.name,
        root=found.listing.root,
        class_names=tuple(sorted(labels, key=labels.__getitem__)),
        domains=tuple(domains),
        images=tuple(records),
        left_out=frozenset(record.path for record in records if record.path.endswith(endings or ("\0",))),
        splits_source=splits_source,
    )
