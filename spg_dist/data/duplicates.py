"""Images with the same bytes: where each content stands, and which such images contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from spg_dist.data.decoding import decode_rgb
from spg_dist.data.errors import DatasetError, ImageRejected, first_three
from spg_dist.data.manifest import Manifest
from spg_dist.data.validation import NamedImage
from spg_dist.file_names import from_text

IN_DOMAINS, IN_CLASSES, IN_SPLITS = "in several domains", "in several classes", "in several splits of a domain"

Copies = list[NamedImage]
"""Two images or more of one content."""


def repeated(digests: Sequence[str]) -> list[list[int]]:
    """Positions of each content that stands more than once, in the order of the first of them."""
    if len(set(digests)) == len(digests):  # as nearly always, and three times as fast
        return []
    positions: dict[str, list[int]] = {digest: [] for digest, times in Counter(digests).items() if times > 1}
    for position, digest in enumerate(digests):
        if digest in positions:
            positions[digest].append(position)
    return list(positions.values())


def by_kind(groups: Iterable[Copies]) -> dict[str, list[Copies]]:
    """The groups that stand in several domains, in several classes, in several splits of a domain; one may be of all
    three kinds. Copies in one class and one split of a domain are of none: they only count twice there."""
    found: dict[str, list[Copies]] = {IN_DOMAINS: [], IN_CLASSES: [], IN_SPLITS: []}
    for group in groups:
        domains = len({image.domain for image in group})
        if domains > 1:
            found[IN_DOMAINS].append(group)
        if len({image.class_name for image in group}) > 1:
            found[IN_CLASSES].append(group)
        if len({(image.domain, image.split) for image in group}) > domains:
            found[IN_SPLITS].append(group)
    return found


def in_words(group: Copies) -> str:
    """The first paths of one content."""
    return first_three([image.path for image in group], " = ")


def named(manifest: Manifest, position: int) -> NamedImage:
    """An image of a manifest by the names of its domain and class."""
    image = manifest.images[position]
    return NamedImage(image.path, manifest.domains[image.domain], manifest.class_names[image.label], image.split)


def decodable(root: Path, groups: Iterable[Copies]) -> Iterator[Copies]:
    """The groups that are images: of the others (empty files, one error page in place of many images) each file is set
    aside as unreadable, and says nothing about a class or a domain."""
    for group in groups:
        try:
            decode_rgb(root / from_text(group[0].path))
        except ImageRejected:
            continue
        yield group


def require_one_class(root: Path, groups: Iterable[Copies]) -> None:
    """An image in a folder of the user's own has one class.

    Raises:
        DatasetError: naming two files with the same bytes and their classes.
    """
    for first, *others in decodable(root, by_kind(groups)[IN_CLASSES]):
        other = next(image for image in others if image.class_name != first.class_name)
        raise DatasetError(
            f"{root}: {first.path} (class {first.class_name!r}) and {other.path} (class {other.class_name!r}) are the "
            f"same image, byte for byte, and an image has one class: remove the wrong one. "
            f"`spg-dist data check --digest` lists all of them"
        )
