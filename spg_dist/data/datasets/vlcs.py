"""VLCS. Counts: Fang et al., ICCV 2013."""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="vlcs",
    title="VLCS",
    images={"caltech": 1415, "labelme": 2656, "pascal": 3376, "sun": 3282},
    class_count=5,
    class_names=("bird", "car", "chair", "dog", "person"),
    other_domain_names={"caltech": ("Caltech101",), "pascal": ("VOC2007", "VOC", "Pascal VOC"), "sun": ("SUN09",)},
    numbered_classes=True,
    images_of_paper=10000,
)
