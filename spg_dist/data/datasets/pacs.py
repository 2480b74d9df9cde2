"""PACS. Counts: Li et al., ICCV 2017."""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="pacs",
    title="PACS",
    images={"art_painting": 2048, "cartoon": 2344, "photo": 1670, "sketch": 3929},
    class_count=7,
    class_names=("dog", "elephant", "giraffe", "guitar", "horse", "house", "person"),
    other_domain_names={"art_painting": ("art",)},
    left_out=("sketch/dog/n02103406_4068-1.png",),
    images_of_paper=9000,
)
