"""What a job says about a data set apart from its splits: which release it is, and what on disk is not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from spg_dist.data.errors import first_three
from spg_dist.data.locating import FoundDataset
from spg_dist.data.validation import NamedImage, absent_classes, named_images

ABSENT_CLASSES_MEAN = (
    "a target is tested on the classes that it has; a source, and its prompt label, are trained on them; all of it "
    "against the names of all classes"
)


def remarks(found: FoundDataset, used: list[NamedImage]) -> tuple[str, ...]:
    """Lines for the log; none where there is nothing to say.

    Arguments:
        used: the images of the manifest.
    """
    release = release_of(found)
    lines = [f"release: {release} of {found.published.title}"] if found.published and release else []
    absent = absent_classes(found, used, sorted({i.domain for i in used})) if found.may_lack_classes else []
    if absent:
        pairs = first_three([f"{domain}: {name}" for domain, name in absent])
        lines.append(f"classes absent from a domain ({pairs}) are allowed: {ABSENT_CLASSES_MEAN}")
    unused = list(_unused(found, used))
    if unused:
        lines.append(f"not used: {'; '.join(unused)}: `spg-dist data check` lists them")
    return tuple(lines)


def release_of(found: FoundDataset) -> str:
    """Name of the published release with as many images as are on disk, where it is another than the usual one."""
    if not found.published or not found.published.other_releases:
        return ""
    return found.published.release(Counter(image.domain for image in named_images(found.without_rows())))


def unknown_folders(found: FoundDataset) -> list[str]:
    """Folders with images that are no domain of the published data set."""
    return [folder for folder in found.domain_folders() if found.domain(folder) is None]


def _unused(found: FoundDataset, used: list[NamedImage]) -> Iterator[str]:
    unknown = unknown_folders(found)
    strangers = sum(image.domain in unknown for image in found.listing.images) if unknown else 0
    if strangers:
        yield f"{_images(strangers)} in folders that are no domain ({first_three(unknown)})"
    unlisted = len(found.listing.images) - strangers - len(used)
    if found.listing.rows is not None and unlisted > 0:
        yield f"{_images(unlisted)} that no split file names"
    reasons = Counter(passed.reason for passed in found.listing.passed_over)
    for reason, count in reasons.most_common():
        first = next(passed.path for passed in found.listing.passed_over if passed.reason == reason)
        yield f"{_images(count)} {reason} ({first}{', ...' if count > 1 else ''})"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
