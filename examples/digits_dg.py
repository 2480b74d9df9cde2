"""Digits-DG, a published data set as a plugin: `plugins=[examples/digits_dg.py] data.dataset=digits-dg`.

Four sets of digits, 600 images of each class in each (Zhou et al., "Learning to Generate Novel Domains for Domain
Generalization", ECCV 2020), in Dassl's folders: `digits_dg/<domain>/{train,val}/<class>/*.jpg`.
"""

from __future__ import annotations

from spg_dist.data.datasets import PublishedDataset

DATASET = PublishedDataset(
    name="digits-dg",
    title="Digits-DG",
    images={"mnist": 6000, "mnist_m": 6000, "svhn": 6000, "syn": 6000},
    class_count=10,
    class_names=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
)
