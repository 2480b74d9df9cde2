"""From a configuration to the manifest: find the data set, check names and splits, draw splits where there are none."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from spg_dist.data.class_labels import class_labels
from spg_dist.data.config import DataConfig
from spg_dist.data.locating import FoundDataset, find_dataset
from spg_dist.data.manifest import ImageRecord, Manifest
from spg_dist.data.remarks import remarks
from spg_dist.data.row_classes import require_classes_of_folders
from spg_dist.data.split_draw import Drawable, draw_splits
from spg_dist.data.validation import (
    NamedImage,
    domain_names,
    named_images,
    require_rows_present,
    require_same_classes,
    require_train_and_val,
)
from spg_dist.embedded import drawn_at_home
from spg_dist.home import resolve

log = logging.getLogger(__name__)

DRAWN_SPLITS = "the embedded data set's own, drawn with its images"


def load_manifest(config: DataConfig, writable_splits: Path) -> Manifest:
    """The manifest of any data set in any of the known layouts; the embedded one is drawn first.

    Arguments:
        config: a relative `root` is taken from the home folder.
        writable_splits: folder for splits that have to be drawn; nothing is ever written into `config.root`.

    Raises:
        DatasetError: the folder, its split files or classes are not as expected; the message names the cure.
        ValueError: `root` is no path, or the embedded data set's folder holds something else.
    """
    if config.dataset == "drawn":
        own = DataConfig("folder", str(drawn_at_home(config.images_per_class)), name=config.name or "drawn")
        return replace(_load(own, writable_splits), splits_source=DRAWN_SPLITS)
    return _load(replace(config, root=str(resolve(config.root))), writable_splits)


def _load(config: DataConfig, writable_splits: Path) -> Manifest:
    found = find_dataset(config)
    require_rows_present(found)
    images = named_images(found)
    domains = domain_names(found, images)
    require_classes_of_folders(found)
    labels = class_labels(found)
    require_same_classes(found, images, domains)
    splits = found.listing.splits
    if not splits:
        drawn = draw_splits(
            drawables(images, labels), found.name, config.split_seed, config.train_share, writable_splits
        )
        images = [image._replace(split=drawn.split_of[image.path]) for image in images]
        splits = f"splits drawn with seed {config.split_seed}, kept in {drawn.folder}"
    require_train_and_val(found, images, domains)
    manifest = _manifest(found, images, domains, labels, f"{found.layout} layout, {splits}")
    log.info("%s: %d images in %s; %s", manifest.dataset, len(images), manifest.root, manifest.splits_source)
    return manifest


def drawables(images: list[NamedImage], labels: dict[str, int]) -> list[Drawable]:
    """The images in the form in which splits are drawn."""
    return [Drawable(image.path, image.domain, image.class_name, labels[image.class_name]) for image in images]


def _manifest(
    found: FoundDataset, images: list[NamedImage], domains: list[str], labels: dict[str, int], splits_source: str
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
        class_names=tuple(labels),
        domains=tuple(domains),
        images=tuple(records),
        left_out=frozenset(record.path for record in records if record.path.endswith(endings)),
        splits_source=splits_source,
        remarks=remarks(found, images),
        published=found.published is not None,
    )
