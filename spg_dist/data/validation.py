"""What a data set must fulfil before it is used; every failure is a DatasetError that names the cure."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from spg_dist.data.errors import DatasetError, first_three
from spg_dist.data.locating import FoundDataset
from spg_dist.data.manifest import Split


class NamedImage(NamedTuple):
    """An image under the manifest's names; `split` is None where it must be drawn."""

    path: str
    domain: str
    class_name: str
    split: Split | None


def named_images(found: FoundDataset) -> list[NamedImage]:
    """The images of the split files, or all on disk where there are none; folders of no domain are passed over."""
    source = found.listing.images if found.listing.rows is None else found.listing.rows
    named = ((item, found.domain(item.domain)) for item in source)
    return [NamedImage(i.path, domain, found.class_name(i.class_folder), i.split) for i, domain in named if domain]


def absent_rows(found: FoundDataset) -> dict[str, list[str]]:
    """Split file -> paths that it names and that are not on disk."""
    on_disk = {image.path for image in found.listing.images}
    absent: dict[str, list[str]] = defaultdict(list)
    for row in found.listing.rows or []:
        if row.path not in on_disk:
            absent[row.source].append(row.path)
    return dict(absent)


def require_rows_present(found: FoundDataset) -> None:
    """Every image that a split file names must be on disk."""
    absent = absent_rows(found)
    if absent:
        files = "; ".join(f"{source} names {len(p):,}: {first_three(p)}" for source, p in sorted(absent.items()))
        raise DatasetError(
            f"split files name images that are not under {found.listing.root}. {files}. Restore the images, or run "
            "`spg-dist data check` for the whole list"
        )


def domain_names(found: FoundDataset, images: list[NamedImage]) -> list[str]:
    """Sorted names of the domains; each must have one folder and images (rows, where there are split files)."""
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


def absent_classes(found: FoundDataset, images: list[NamedImage], domains: list[str]) -> list[tuple[str, str]]:
    """(domain, class) pairs without images, for classes that another domain has; published gaps are not counted."""
    present = {(image.domain, image.class_name) for image in images}
    allowed = found.published.absent_classes if found.published else frozenset()
    classes = sorted({name for _, name in present})
    pairs = ((domain, name) for domain in domains for name in classes)
    return [pair for pair in pairs if pair not in present and pair not in allowed]


def require_same_classes(found: FoundDataset, images: list[NamedImage], domains: list[str]) -> None:
    """All domains must have images of the same classes, unless they may lack some."""
    absent = absent_classes(found, images, domains)
    if absent and not found.may_lack_classes:
        domain, name = absent[0]
        names = [n for d, n in absent if d == domain]
        others = sorted({image.domain for image in images if image.class_name == name})
        own = "" if found.published else ". Where it is meant to be so, give data.allow_absent_classes=true"
        raise DatasetError(
            f"{found.name} in {found.listing.root}: domain {domain} has no images of {first_three(names)}, which "
            f"{', '.join(others)} {'have' if len(others) > 1 else 'has'}. All domains need the same classes: add the "
            f"images, correct the folder's name, or take the class out of the other domains{own}"
        )


def require_train_and_val(found: FoundDataset, images: list[NamedImage], domains: list[str]) -> None:
    """Published splits must give each domain train and val images."""
    present = {(image.domain, image.split) for image in images}
    for domain in domains:
        for split in ("train", "val"):
            if (domain, split) not in present:
                raise DatasetError(
                    f"{found.name} in {found.listing.root}: domain {domain} has no {split} images "
                    f"({found.listing.splits}). Restore its splits, or take all split files away to have splits drawn"
                )
