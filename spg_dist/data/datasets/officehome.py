"""OfficeHome. Counts: Venkateswara et al., CVPR 2017."""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="officehome",
    title="OfficeHome",
    images={"art": 2427, "clipart": 4365, "product": 4439, "real_world": 4357},
    class_count=65,
    folders=("office_home_dg", "OfficeHomeDataset", "OfficeHomeDataset_10072016"),
    other_domain_names={"real_world": ("Real",)},
    images_of_paper=15000,
)
