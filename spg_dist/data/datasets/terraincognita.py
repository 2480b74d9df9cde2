"""TerraIncognita. Counts: the ten-class selection of Beery et al., ECCV 2018, that DomainBed builds."""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="terraincognita",
    title="TerraIncognita",
    images={"location_100": 4741, "location_38": 9736, "location_43": 3970, "location_46": 5883},
    class_count=10,
    class_names=("bird", "bobcat", "cat", "coyote", "dog", "empty", "opossum", "rabbit", "raccoon", "squirrel"),
    folders=("terra", "TerraInc"),
    other_domain_names={
        "location_100": ("100", "L100"),
        "location_38": ("38", "L38"),
        "location_43": ("43", "L43"),
        "location_46": ("46", "L46"),
    },
    other_releases={
        "the older selection of 24,788 images": {
            "location_100": 4879,
            "location_38": 9767,
            "location_43": 4020,
            "location_46": 6122,
        }
    },
    images_of_paper=20000,
)
