"""The manifest: every image of a data set with its class, domain and split (the first arrow of the data's way)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from spg_dist.file_names import from_text

Split = Literal["train", "val", "test"]


class ImageRecord(NamedTuple):
    """One image. `path` is relative to the manifest's root, with forward slashes; it is the image's id."""

    path: str
    label: int
    domain: int
    split: Split


@dataclass(frozen=True)
class Manifest:
    """All images of one data set.

    Arguments:
        dataset: name in results and reports, e.g. "PACS".
        root: absolute folder that the images' paths are relative to.
        class_names: C names in label order, words separated by spaces ("alarm clock").
        domains: names in index order (sorted).
        images: in a fixed order: by domain, then label, then path; paths as `to_text` writes them.
        left_out: paths the protocol excludes from stage 2 and the test (PACS: one sketch), kept for stage 1.
        splits_source: the layout and where the splits came from, for the log.
        remarks: more lines for the log: which release it is, what on disk is not used.
        published: whether it is a published data set, whose faults are known and stay.
    """

    dataset: str
    root: Path
    class_names: tuple[str, ...]
    domains: tuple[str, ...]
    images: tuple[ImageRecord, ...]
    left_out: frozenset[str] = frozenset()
    splits_source: str = ""
    remarks: tuple[str, ...] = ()
    published: bool = False

    def absolute(self, image: ImageRecord) -> Path:
        """Where the image lies on disk."""
        return self.root / from_text(image.path)

    def select(self, domains: set[int] | None = None, splits: set[Split] | None = None) -> list[int]:
        """Positions in `images` of the given domains and splits (None = all), in order."""
        return [
            i
            for i, image in enumerate(self.images)
            if (domains is None or image.domain in domains) and (splits is None or image.split in splits)
        ]

    def rows(
        self, domains: set[int], splits: set[Split] | None = None, keep_left_out: bool = True
    ) -> npt.NDArray[np.int64]:
        """The same as row numbers of the feature table.

        Arguments:
            keep_left_out: with the images that the protocol leaves out of stage 2 and the test.
        """
        chosen = self.select(domains, splits)
        return np.asarray([i for i in chosen if keep_left_out or self.images[i].path not in self.left_out], np.int64)

    def domain_index(self, name: str) -> int:
        if name not in self.domains:
            raise ValueError(f"domain {name!r} is not in {self.dataset}: it has {', '.join(self.domains)}")
        return self.domains.index(name)

    def counts(self) -> Counter[tuple[int, int]]:
        """Number of images by (domain, label)."""
        return Counter((image.domain, image.label) for image in self.images)

    def without(self, paths: set[str]) -> Manifest:
        """The same manifest less some images (those set aside because they cannot be read)."""
        return replace(self, images=tuple(image for image in self.images if image.path not in paths))
