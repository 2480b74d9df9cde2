"""Draw train/val splits where a data set comes without, and keep them in the published format for the next call."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from spg_dist.data.errors import DatasetError
from spg_dist.data.manifest import Split
from spg_dist.data.split_files import ENDING, FileRow, read_split_file, write_split_file
from spg_dist.file_names import file_name


class Drawable(NamedTuple):
    """An image to be drawn into train or val; `path` is relative to the data set's folder."""

    path: str
    domain: str
    class_name: str
    label: int


class DrawnSplits(NamedTuple):
    """The split of each path, and the folder that holds the split files."""

    split_of: dict[str, Split]
    folder: Path


def draw_splits(images: list[Drawable], dataset: str, seed: int, train_share: float, writable: Path) -> DrawnSplits:
    """Read the splits of these images from `writable`, or draw them and write them there.

    Each class of each domain is split by itself: round(n * train_share) images go to train, the rest to val. The draw
    depends on the seed and on names (domain, class, file) alone, not on where the folder lies or how it is listed.

    Raises:
        DatasetError: a class of a domain too small to give train and val one image each; files that do not fit.
    """
    folder = writable / f"{file_name(dataset)}-{seed}-{train_share:g}-{_digest(images)}"
    if not folder.is_dir():
        _write(folder, images, choose_splits(images, seed, train_share), dataset)
    return DrawnSplits(_read(folder, images), folder)


def choose_splits(images: list[Drawable], seed: int, train_share: float) -> dict[str, Split]:
    """Path -> split, by the draw alone: nothing is read or written. Raises DatasetError for a class too small."""
    groups: dict[tuple[str, str], list[Drawable]] = defaultdict(list)
    for image in images:
        groups[image.domain, image.class_name].append(image)
    split_of: dict[str, Split] = {}
    for (domain, class_name), group in groups.items():
        train_count = round(len(group) * train_share)
        if not 0 < train_count < len(group):
            raise DatasetError(
                f"class {class_name!r} of domain {domain!r} has {len(group)} image(s): with data.train_share "
                f"{train_share:g} {'val' if train_count else 'train'} would be empty; add images, leave the class out "
                "or change data.train_share"
            )
        group.sort(key=lambda image: _rank(image, seed))
        for position, image in enumerate(group):
            split_of[image.path] = "train" if position < train_count else "val"
    return split_of


def _rank(image: Drawable, seed: int) -> tuple[bytes, str]:
    # A hash in place of a shuffle: the same on every version of Python, and a new image moves few of the others.
    name = f"{seed}\n{image.domain}\n{image.class_name}\n{image.path.rsplit('/', 1)[-1]}"
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest(), image.path


def _digest(images: list[Drawable]) -> str:
    digest = hashlib.sha256()
    for line in sorted(f"{image.domain}\n{image.label}\n{image.class_name}\n{image.path}\n" for image in images):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def file_stems(domains: list[str]) -> dict[str, str]:
    """Domain -> stem of its split file: its first letter as published, or its name where two domains share a letter."""
    letters = [domain[:1].lower() for domain in domains]
    unique = len(set(letters)) == len(letters) and all(letter.isalnum() for letter in letters)
    return {domain: letter if unique else file_name(domain) for domain, letter in zip(domains, letters, strict=True)}


def _write(folder: Path, images: list[Drawable], split_of: dict[str, Split], dataset: str) -> None:
    """All files at once by a rename, so that a reader beside us sees either none or all."""
    rows: dict[str, list[FileRow]] = {domain: [] for domain in sorted({image.domain for image in images})}
    domains = list(rows)
    for image in sorted(images):
        path = f"{file_name(dataset)}/{image.path}"
        row = FileRow(path, image.label, domains.index(image.domain), image.class_name, split_of[image.path])
        rows[image.domain].append(row)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".drawing-", dir=folder.parent))
    try:
        for domain, stem in file_stems(domains).items():
            write_split_file(unfinished / f"{stem}{ENDING}", rows[domain])
        unfinished.chmod(0o755)
        try:
            unfinished.replace(folder)
        except OSError:
            # Another process has drawn the same splits meanwhile; they are equal by construction.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _read(folder: Path, images: list[Drawable]) -> dict[str, Split]:
    files = sorted(folder.glob(f"*{ENDING}"))
    split_of = {row.path.split("/", 1)[1]: row.split for file in files for row in read_split_file(file)}
    missing = sum(image.path not in split_of for image in images)
    if missing or len(split_of) != len(images):
        raise DatasetError(
            f"the drawn splits in {folder} name {len(split_of):,} images, the data set has {len(images):,} "
            f"({missing:,} of them not named): delete that folder, and the splits are drawn again"
        )
    return split_of
