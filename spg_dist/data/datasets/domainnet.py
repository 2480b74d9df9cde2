"""DomainNet. Counts: the cleaned release of Peng et al., ICCV 2019 (586,575 images)."""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="domainnet",
    title="DomainNet",
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
    images_of_paper=15000,  # its split files keep about 20,000
)
