"""What is known of the five published data sets: names in circulation, domains, classes, image counts.

Counts by domain. PACS: Li et al., ICCV 2017. VLCS: Fang et al., ICCV 2013. OfficeHome: Venkateswara et al., CVPR 2017.
TerraIncognita: the ten-class selection of Beery et al., ECCV 2018, that DomainBed builds (24,330 images; its older one
had 24,788). DomainNet: the cleaned release of Peng et al., ICCV 2019 (586,575 images; the original one had 596,010).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache


@dataclass(frozen=True)
class PublishedDataset:
    """One published data set.

    Arguments:
        key: its name in the configuration (`data.dataset`).
        name: its name in results.
        folders: names of its folder in circulation, in the spelling of `plain`.
        domains: canonical domain name -> other names in circulation, in the spelling of `plain`.
        images: canonical domain name -> number of images.
        class_count: C.
        class_names: names in label order, where the data set is small enough to list them here.
        numbered_classes: class folders are called 0, 1, ... in some releases and mean `class_names`.
        left_out: endings of paths that the protocol keeps out of stage 2 and the test.
        absent_classes: (domain, class) pairs without images in the published files.
        other_releases: name -> domain -> number of images, of other releases in circulation.
        numbered_as_plain: the published lists number the classes in the order of their names as `plain` spells them.
    """

    key: str
    name: str
    folders: frozenset[str]
    domains: dict[str, tuple[str, ...]]
    images: dict[str, int]
    class_count: int
    class_names: tuple[str, ...] = ()
    numbered_classes: bool = False
    left_out: tuple[str, ...] = ()
    absent_classes: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    other_releases: dict[str, dict[str, int]] = field(default_factory=dict)
    numbered_as_plain: bool = False

    def release(self, images: Mapping[str, int]) -> str:
        """Name of the other release with just these numbers of images by domain; empty if there is none."""
        return next((name for name, counts in self.other_releases.items() if counts == images), "")

    def counts(self, release: str) -> dict[str, int]:
        """Images by domain of a release; of the usual one for an empty name."""
        return self.other_releases.get(release, self.images)

    def canonical_domain(self, folder: str) -> str | None:
        """The canonical name of a domain's folder, None for a folder that is no domain of this data set."""
        spelling = plain(folder)
        for name, aliases in self.domains.items():
            if spelling == plain(name) or spelling in aliases:
                return name
        return None

    def class_name(self, folder: str) -> str:
        """The class's name for a class folder (or a split file's class column)."""
        if self.numbered_classes and folder.isdecimal() and int(folder) < len(self.class_names):
            return self.class_names[int(folder)]
        return spaced(folder)


@cache
def plain(name: str) -> str:
    """Lower case, letters and digits only: "Office-Home DG" and "office_home_dg" are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spaced(folder: str) -> str:
    """A class folder's name as words: "alarm_clock" -> "alarm clock"."""
    return folder.replace("_", " ").strip()


PACS = PublishedDataset(
    key="pacs",
    name="PACS",
    folders=frozenset({"pacs"}),
    domains={"art_painting": ("art",), "cartoon": (), "photo": (), "sketch": ()},
    images={"art_painting": 2048, "cartoon": 2344, "photo": 1670, "sketch": 3929},
    class_count=7,
    class_names=("dog", "elephant", "giraffe", "guitar", "horse", "house", "person"),
    left_out=("sketch/dog/n02103406_4068-1.png",),
)
VLCS = PublishedDataset(
    key="vlcs",
    name="VLCS",
    folders=frozenset({"vlcs"}),
    domains={"caltech": ("caltech101",), "labelme": (), "pascal": ("voc2007", "voc"), "sun": ("sun09",)},
    images={"caltech": 1415, "labelme": 2656, "pascal": 3376, "sun": 3282},
    class_count=5,
    class_names=("bird", "car", "chair", "dog", "person"),
    numbered_classes=True,
)
OFFICEHOME = PublishedDataset(
    key="officehome",
    name="OfficeHome",
    folders=frozenset({"officehome", "officehomedg", "officehomedataset", "officehomedataset10072016"}),
    domains={"art": (), "clipart": (), "product": (), "real_world": ("real",)},
    images={"art": 2427, "clipart": 4365, "product": 4439, "real_world": 4357},
    class_count=65,
)
TERRAINCOGNITA = PublishedDataset(
    key="terraincognita",
    name="TerraIncognita",
    folders=frozenset({"terra", "terraincognita"}),
    domains={
        "location_100": ("100", "l100"),
        "location_38": ("38", "l38"),
        "location_43": ("43", "l43"),
        "location_46": ("46", "l46"),
    },
    images={"location_100": 4741, "location_38": 9736, "location_43": 3970, "location_46": 5883},
    class_count=10,
    class_names=("bird", "bobcat", "cat", "coyote", "dog", "empty", "opossum", "rabbit", "raccoon", "squirrel"),
    other_releases={
        "the older selection of 24,788 images": {
            "location_100": 4879,
            "location_38": 9767,
            "location_43": 4020,
            "location_46": 6122,
        }
    },
)
DOMAINNET = PublishedDataset(
    key="domainnet",
    name="DomainNet",
    folders=frozenset({"domainnet"}),
    domains={"clipart": (), "infograph": (), "painting": (), "quickdraw": (), "real": (), "sketch": ()},
    images={
        "clipart": 48129,
        "infograph": 51605,
        "painting": 72266,
        "quickdraw": 172500,
        "real": 172947,
        "sketch": 69128,
    },
    class_count=345,
    # Known gap of the published lists: painting_train.txt has no t-shirt.
    absent_classes=frozenset({("painting", "t-shirt")}),
    other_releases={
        "the original release of 596,010 images, before it was cleaned": {
            "clipart": 48837,
            "infograph": 53201,
            "painting": 75759,
            "quickdraw": 172500,
            "real": 175327,
            "sketch": 70386,
        }
    },
    numbered_as_plain=True,
)

PUBLISHED: dict[str, PublishedDataset] = {d.key: d for d in (PACS, VLCS, OFFICEHOME, TERRAINCOGNITA, DOMAINNET)}


def recognise(domain_folders: set[str], class_folders: set[str]) -> PublishedDataset | None:
    """The published data set that has exactly these domains (under any of their names), None if there is none."""
    for dataset in PUBLISHED.values():
        canonical = {dataset.canonical_domain(folder) for folder in domain_folders}
        classes = {dataset.class_name(folder) for folder in class_folders}
        if canonical == set(dataset.domains) and (not dataset.class_names or classes <= set(dataset.class_names)):
            return dataset
    return None
