"""The published data sets: what is known of one, and the table of all of them.

A data set is a module here, or a plugin, with an object `DATASET` that holds all its facts; nothing else knows of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

from cache.extensions import Table, modules_of


@dataclass(frozen=True)
class PublishedDataset:
    """One published data set. How a folder or domain is spelled (case, spaces, hyphens, underscores) never matters.

    Arguments:
        name: its name in the configuration (`data.dataset`): that of its module, with dashes.
        title: its name in results.
        images: domain -> number of images; in results domains have these names.
        class_count: C.
        class_names: names in label order, where the data set is small enough to list them here.
        folders: names of its folder in circulation, apart from `name` and `title`.
        other_domain_names: domain -> other names in circulation.
        numbered_classes: class folders are called 0, 1, ... in some releases and mean `class_names`.
        numbered_as_plain: the published lists number the classes in the order of their names as `plain` spells them.
        left_out: endings of paths that the protocol keeps out of stage 2 and the test.
        absent_classes: (domain, class) pairs without images in the published files.
        other_releases: name -> domain -> number of images, of other releases in circulation.
        images_of_paper: with at least so many images a run is on what the SPG paper was measured on, which may be a
            selection; 0 where the paper has no figures of it.
    """

    name: str
    title: str
    images: dict[str, int]
    class_count: int
    class_names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    other_domain_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbered_classes: bool = False
    numbered_as_plain: bool = False
    left_out: tuple[str, ...] = ()
    absent_classes: frozenset[tuple[str, str]] = frozenset()
    other_releases: dict[str, dict[str, int]] = field(default_factory=dict)
    images_of_paper: int = 0

    @property
    def domains(self) -> tuple[str, ...]:
        """Canonical names."""
        return tuple(self.images)

    def release(self, images: Mapping[str, int]) -> str:
        """Name of the other release with just these numbers of images by domain; empty if there is none."""
        return next((name for name, counts in self.other_releases.items() if counts == images), "")

    def counts(self, release: str) -> dict[str, int]:
        """Images by domain of a release; of the usual one for an empty name."""
        return self.other_releases.get(release, self.images)

    def is_called(self, name: str) -> bool:
        """Whether this is one of its names: in the configuration, in results, or of its folder."""
        return plain(name) in self._spellings

    def canonical_domain(self, folder: str) -> str | None:
        """The canonical name of a domain's folder, None for a folder that is no domain of this data set."""
        return self._domain_of_spelling.get(plain(folder))

    def class_name(self, folder: str) -> str:
        """The class's name for a class folder (or a split file's class column)."""
        if self.numbered_classes and folder.isdecimal() and int(folder) < len(self.class_names):
            return self.class_names[int(folder)]
        return spaced(folder)

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return frozenset(map(plain, (self.name, self.title, *self.folders)))

    @cached_property
    def _domain_of_spelling(self) -> dict[str, str]:
        names = {domain: (domain, *self.other_domain_names.get(domain, ())) for domain in self.domains}
        return {plain(name): domain for domain, several in names.items() for name in several}


@cache
def plain(name: str) -> str:
    """Lower case, letters and digits only: "Office-Home DG" and "office_home_dg" are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spaced(folder: str) -> str:
    """A class folder's name as words: "alarm_clock" -> "alarm clock"."""
    return folder.replace("_", " ").strip()


DATASETS: Table[PublishedDataset] = Table("dataset", modules_of("spg_dist.data.datasets"))


def published(name: str) -> PublishedDataset | None:
    """The data set that the configuration calls so; None where that is no published one (`auto`, `folder`)."""
    return DATASETS[name] if name in DATASETS.names() else None


def recognise(domain_folders: set[str], class_folders: set[str]) -> PublishedDataset | None:
    """The published data set that has exactly these domains (under any of their names), None if there is none."""
    for dataset in DATASETS:
        canonical = {dataset.canonical_domain(folder) for folder in domain_folders}
        classes = {dataset.class_name(folder) for folder in class_folders}
        if canonical == set(dataset.domains) and (not dataset.class_names or classes <= set(dataset.class_names)):
            return dataset
    return None
