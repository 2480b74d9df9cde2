"""Read the files of a data set for images with the same bytes, where no job has digested them yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cache import digest_file
from spg_dist.data.config import DataConfig
from spg_dist.data.duplicates import Copies, decodable, repeated
from spg_dist.data.errors import DatasetError
from spg_dist.data.loading import drawables
from spg_dist.data.locating import FoundDataset
from spg_dist.data.split_draw import choose_splits
from spg_dist.data.validation import NamedImage
from spg_dist.file_names import from_text

READERS = 8


def duplicates_on_disk(found: FoundDataset, used: list[NamedImage], config: DataConfig) -> list[Copies]:
    """The images of one content each, of those that a job would use; what cannot be read or decoded is none of them.

    Where the data set has no splits they are those that a job with this configuration draws.
    """
    images = sorted(_with_splits(found, used, config), key=lambda image: image.path)
    out = Console(stderr=True)
    with ThreadPoolExecutor(READERS) as readers:
        reading = readers.map(lambda image: _digest(found.listing.root / from_text(image.path)), images)
        shown = track(reading, "digesting files", len(images), console=out, transient=True, disable=not out.is_terminal)
        digest_of = {image: digest for image, digest in zip(images, shown, strict=True) if digest}
    known = list(digest_of)
    groups = ([known[i] for i in group] for group in repeated(list(digest_of.values())))
    return list(decodable(found.listing.root, groups))


def _with_splits(found: FoundDataset, used: list[NamedImage], config: DataConfig) -> list[NamedImage]:
    if found.listing.splits:
        return used
    try:
        labels = dict.fromkeys((image.class_name for image in used), 0)  # play no part in the draw
        split_of = choose_splits(drawables(used, labels), config.split_seed, config.train_share)
    except DatasetError:  # a problem that the report names
        return used
    return [image._replace(split=split_of[image.path]) for image in used]


def _digest(path: Path) -> str:
    """Empty for a file that cannot be read."""
    try:
        return digest_file(path)
    except OSError:
        return ""
