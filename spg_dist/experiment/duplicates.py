"""Images that stand, byte for byte, both in what a run is trained on and in what it must not see."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from itertools import accumulate

import numpy as np

from spg_dist.config import Config
from spg_dist.data import ImageRecord, Manifest
from spg_dist.data.duplicates import Copies, named, repeated
from spg_dist.protocols import PROTOCOLS

IN_DATA_SETS = "in several data sets"


class Duplicates:
    """What stands more than once in the data set that is trained on and in those that are only tested on.

    Arguments:
        manifests: that of the training first.
        digests: content digests of the images of each manifest.
    """

    def __init__(self, manifests: Sequence[Manifest], digests: Sequence[Sequence[str]]) -> None:
        self.manifests = manifests
        starts = list(accumulate((len(each) for each in digests), initial=0))

        def place(position: int) -> tuple[int, int]:
            k = bisect_right(starts, position) - 1
            return k, position - starts[k]

        every = [digest for each in digests for digest in each]
        self.groups = [[place(position) for position in group] for group in repeated(every)]
        """Of one content each: numbers of manifest and image."""

    def within(self, k: int) -> list[Copies]:
        """What stands more than once in one data set."""
        groups = ([i for j, i in group if j == k] for group in self.groups)
        return [[named(self.manifests[k], i) for i in rows] for rows in groups if len(rows) > 1]

    def across(self) -> list[Copies]:
        """What stands in several data sets."""
        groups = (group for group in self.groups if len({k for k, _ in group}) > 1)
        return [[named(self.manifests[k], i) for k, i in group] for group in groups]

    def rows_outside(self, seen: Set[int]) -> np.ndarray:
        """Rows (int64) of the training data set whose image stands in one of its other domains than `seen`, or in a
        data set that is only tested on."""
        domains = [image.domain for image in self.manifests[0].images] if self.groups else []
        outside = (group for group in self.groups if any(k > 0 or domains[i] not in seen for k, i in group))
        return np.asarray([i for group in outside for k, i in group if k == 0], dtype=np.int64)

    def leaks(self, config: Config) -> dict[str, dict[str, str]]:
        """Target → path of each image tested there of which its sources' train or val has a copy → the copy's path."""
        manifest, *tests = self.manifests
        protocol = PROTOCOLS[config.protocol]
        found: dict[str, dict[str, str]] = {}
        for where in protocol.trainings(config, manifest) if self.groups else []:
            sources = {manifest.domain_index(name) for name in protocol.sources(manifest, where)}
            for target in protocol.targets(config, manifest, tests, where):
                for copies in self.groups:
                    learned = [path for k, i in copies if (path := self._learned_from(k, i, sources))]
                    if learned:
                        tested = {path: learned[0] for k, i in copies if (path := self._tested_on(k, i, target))}
                        found.setdefault(target, {}).update(tested)
        return {target: paths for target, paths in found.items() if paths}

    def _learned_from(self, k: int, i: int, sources: Set[int]) -> str:
        """The image's path if a run with these sources learns or selects from it, else empty."""
        image = self._image(k, i)
        return image.path if k == 0 and image.domain in sources and image.split in ("train", "val") else ""

    def _tested_on(self, k: int, i: int, target: str) -> str:
        manifest, image = self.manifests[k], self._image(k, i)
        name = manifest.dataset if k else manifest.domains[image.domain]
        return image.path if name == target and image.path not in manifest.left_out else ""

    def _image(self, k: int, i: int) -> ImageRecord:
        return self.manifests[k].images[i]
