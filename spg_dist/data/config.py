"""Which images to use, and how they are split."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from spg_dist.data.datasets import DATASETS

OTHER_NAMES = ("drawn", "auto", "folder")
"""What `data.dataset` may be, apart from the name of a published data set."""


@dataclass(frozen=True)
class DataConfig:
    """Data set, its folder and its splits."""

    dataset: str = "drawn"
    """Data set: `drawn` is the embedded one (no download); `auto` recognises what lies under `root`; `folder` is any
    `<root>/<domain>/<class>/*`; else the name of a published data set, e.g. pacs: a wrong one is answered with all
    names."""

    root: str = ""
    """Folder of the data set, or the folder that holds it. Empty is allowed for `drawn` only (it is drawn into the home
    folder)."""

    split_seed: int = 1
    """Seed of the train/val split, used where the data set comes without published split files."""

    train_share: float = 0.7
    """Share of each class of each domain that goes to train, the rest to val, where splits are drawn (0 to 1, both
    excluded)."""

    max_set_aside_share: float = 0.01
    """Share of images (0 to 1) that may be set aside as unreadable before the job fails."""

    allow_absent_classes: bool = False
    """For a folder of one's own: whether a domain may lack classes that another one has; an error otherwise. A target
    is tested on the classes that it has; a source, and its prompt label, are trained on them; all of it against the
    names of all classes."""

    duplicates: Literal["keep", "drop"] = "keep"
    """Images that stand, byte for byte, in a domain or data set that a run must not see: `keep` trains on them all the
    same, as the published protocols do, and warns; `drop` leaves them out of its sources' train and val, never out of a
    test. A prompt label, which several targets share, loses those that stand in any other domain."""

    name: str | None = None
    """Name of the data set in results and reports. Default: the published name, or the name of the folder."""

    images_per_class: int = 40
    """Images drawn for each class of each domain of the embedded data set (`drawn` only)."""

    def __post_init__(self) -> None:
        _require_known(self.dataset)
        if not 0 < self.train_share < 1:
            raise ValueError(f"data.train_share is {self.train_share}, expected a number between 0 and 1, e.g. 0.7")
        if not 0 <= self.max_set_aside_share <= 1:
            raise ValueError(f"data.max_set_aside_share is {self.max_set_aside_share}, expected a share from 0 to 1")
        if self.images_per_class < 4:
            raise ValueError(
                f"data.images_per_class is {self.images_per_class}, expected at least 4 (train and val need two each)"
            )
        if self.allow_absent_classes and self.dataset not in ("folder", "auto"):
            raise ValueError(
                f"data.allow_absent_classes is true, but data.dataset is {self.dataset}: only a folder of your own "
                f"(folder, or auto) may lack classes; what a published data set lacks is known"
            )
        if self.dataset == "drawn" and self.root:
            raise ValueError(
                f"data.root is {self.root}, but data.dataset is drawn, which needs none: add data.dataset=auto, or the "
                f"name of your data set, or folder for <root>/<domain>/<class>/*"
            )
        if self.dataset != "drawn" and not self.root:
            raise ValueError(f"data.root is empty, but data.dataset is {self.dataset}: give the folder of the images")


def _require_known(dataset: str) -> None:
    known = [*OTHER_NAMES, *DATASETS.names()]
    if dataset not in known:
        near = difflib.get_close_matches(dataset, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"data.dataset: expected one of {', '.join(known)}, got {dataset!r}{hint}")
