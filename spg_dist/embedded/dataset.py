"""The drawn data set on disk: `<folder>/<domain>/<class>/<nnn>.png` and split files in the published format."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from spg_dist.embedded.drawing import draw
from spg_dist.embedded.vocabulary import DRAWN_CLASSES, DRAWN_DOMAINS
from spg_dist.home import home

RECORD_NAME = "drawn.json"
"""Written last: says with which parameters the folder was drawn, and by its presence that it is complete."""

DRAWING_VERSION = 1
"""Raised whenever the same class, domain, seed and index no longer give the same image."""

TRAIN_SHARE = 0.7


def drawn_at_home(images_per_class: int) -> Path:
    """The embedded data set's folder in the home folder, drawn unless it is there already."""
    return write_drawn_dataset(home() / "data" / f"drawn-{images_per_class}", images_per_class)


def write_drawn_dataset(folder: Path, images_per_class: int, seed: int = 1) -> Path:
    """Draw the embedded data set into `folder`, unless it is there already.

    It is drawn into a temporary folder beside `folder` that is then renamed: after an interruption there is either the
    whole data set or none. Split files are `spg_coop_splits/<first letter of domain>_train_val_split.json` with keys
    train, val and test (the same as val) and rows [path relative to `folder`, label, domain index, class name];
    70 % of the images of each class and domain are for training.

    Arguments:
        folder: where the data set is to be; its parent is made when missing.
        images_per_class: images of each class in each domain, at least 4.
        seed: of drawings and splits.

    Returns:
        `folder`, absolute.

    Raises:
        ValueError: `images_per_class` is below 4, or the folder holds something else than this data set.
    """
    if images_per_class < 4:
        raise ValueError(f"images_per_class is {images_per_class}, expected at least 4 (train and val need some each)")
    folder = folder.expanduser().resolve()
    record = _record(images_per_class, seed)
    if _holds(folder, record):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-unfinished-", dir=folder.parent))
    try:
        _draw_all(unfinished, images_per_class, seed)
        _write_json(unfinished / RECORD_NAME, record)
        unfinished.chmod(0o755)  # mkdtemp makes a private folder
        _move_into_place(unfinished, folder, record)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _record(images_per_class: int, seed: int) -> dict[str, Any]:
    return {
        "drawing_version": DRAWING_VERSION,
        "images_per_class": images_per_class,
        "seed": seed,
        "classes": list(DRAWN_CLASSES),
        "domains": list(DRAWN_DOMAINS),
    }


def _holds(folder: Path, record: dict[str, Any]) -> bool:
    """Whether the data set of this record is in the folder; False for an absent or empty folder.

    Raises:
        ValueError: the folder holds anything else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    cure = "choose another folder, or delete this one if nobody needs it"
    if not (folder / RECORD_NAME).is_file():
        raise ValueError(f"{folder} exists and is not a drawn data set (it has no {RECORD_NAME}): {cure}")
    try:
        found = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / RECORD_NAME} is not valid JSON ({error}): {cure}") from error
    if found != record:
        differing = [key for key in record if not isinstance(found, dict) or found.get(key) != record[key]]
        asked = ", ".join(f"{key}={record[key]}" for key in differing)
        raise ValueError(
            f"{folder} holds a drawn data set with other parameters than the ones asked for ({asked}): {cure}"
        )
    absent = [path for path in _expected_files(record["images_per_class"]) if not (folder / path).is_file()]
    if absent:
        raise ValueError(f"{len(absent)} files of the drawn data set in {folder} are missing, e.g. {absent[0]}: {cure}")
    return True


def _expected_files(images_per_class: int) -> list[str]:
    splits = [_split_file(domain) for domain in DRAWN_DOMAINS]
    images = [_image_path(d, c, i) for d in DRAWN_DOMAINS for c in DRAWN_CLASSES for i in range(images_per_class)]
    return splits + images


def _image_path(domain: str, class_name: str, index: int) -> str:
    return f"{domain}/{class_name}/{index:03d}.png"


def _split_file(domain: str) -> str:
    return f"spg_coop_splits/{domain[0]}_train_val_split.json"


def _draw_all(folder: Path, images_per_class: int, seed: int) -> None:
    (folder / "spg_coop_splits").mkdir()
    for domain_index, domain in enumerate(DRAWN_DOMAINS):
        train: list[list[Any]] = []
        val: list[list[Any]] = []
        for label, class_name in enumerate(DRAWN_CLASSES):
            (folder / domain / class_name).mkdir(parents=True)
            chosen = _train_indices(domain, class_name, images_per_class, seed)
            for index in range(images_per_class):
                path = _image_path(domain, class_name, index)
                # Light compression: the grain of three styles hardly compresses, and this is half of the writing time.
                draw(class_name, domain, seed, index).save(folder / path, compress_level=3)
                (train if index in chosen else val).append([path, label, domain_index, class_name])
        _write_json(folder / _split_file(domain), {"train": train, "val": val, "test": val})


def _train_indices(domain: str, class_name: str, images: int, seed: int) -> set[int]:
    rng = np.random.default_rng([seed, zlib.crc32(f"split of {class_name} in {domain}".encode())])
    return {int(index) for index in rng.permutation(images)[: round(images * TRAIN_SHARE)]}


def _write_json(path: Path, content: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _move_into_place(unfinished: Path, folder: Path, record: dict[str, Any]) -> None:
    try:
        unfinished.rename(folder)  # replaces an empty folder, fails on one with content
    except OSError:
        # Another process may have finished the same data set first: then its copy, equal to ours, stays.
        if not _holds(folder, record):
            raise
