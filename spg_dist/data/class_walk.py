"""The walk through `<domain>/<class>/<image>`, which notes the images that do not lie so as it comes across them."""

from __future__ import annotations

import os
from pathlib import Path

from spg_dist.data.image_files import NO_DOMAINS, identity, is_image, is_unread, may_hold_images, walk_images
from spg_dist.data.layouts import FoundImage, PassedOver
from spg_dist.data.manifest import Split


class ClassWalk:
    """One walk: each folder is scanned once, and only what is passed over is looked at more closely.

    Arguments:
        base: folder of the domains.
        prefix: of all paths, see `image_base`.
    """

    def __init__(self, base: Path, prefix: str) -> None:
        self.base, self.prefix = base, prefix
        self.passed_over: list[PassedOver] = []

    def domains(self) -> list[str]:
        """Sorted names of the folders that may be domains."""
        return [name for name in self.folders("") if name not in NO_DOMAINS]

    def folders(self, place: str) -> list[str]:
        """Sorted names of the folders in `place` that may hold images; it is relative to the base and ends in "/"."""
        names = []
        with os.scandir(self.base / place) as entries:
            for entry in entries:
                if may_hold_images(entry.name) and entry.is_dir():
                    names.append(entry.name)
                elif is_image(entry.name) or is_unread(entry.name):
                    self._pass_over(place + entry.name, "outside the class folders")
        return sorted(names)

    def images(self, place: str, split: Split | None = None) -> list[FoundImage]:
        """The images directly in each class folder of `place`, a domain's folder or that of one of its splits."""
        domain = place.split("/", 1)[0]
        return [
            FoundImage(f"{self.prefix}{place}{class_folder}/{name}", domain, class_folder, split)
            for class_folder in self.folders(place)
            for name in self.image_files(f"{place}{class_folder}/")
        ]

    def image_files(self, place: str) -> list[str]:
        found = []
        with os.scandir(self.base / place) as entries:
            for entry in entries:
                if is_image(entry.name):
                    found.append(entry.name)
                elif is_unread(entry.name):
                    self._pass_over(place + entry.name, "in formats that are not read")
                elif may_hold_images(entry.name) and entry.is_dir():
                    self._pass_over_folder(f"{place}{entry.name}/")
        return found

    def _pass_over_folder(self, place: str) -> None:
        folder = self.base / place
        above = frozenset(identity(parent) for parent in folder.parents[: place.count("/")])
        unread: list[str] = []
        try:
            found = [*walk_images(folder, place, unread, above), *unread]
        except OSError:  # no folder that is used, so that it need not be readable: told as a whole
            found = [place]
        for path in sorted(found):
            self._pass_over(path, "deeper than the class folders")

    def _pass_over(self, path: str, reason: str) -> None:
        self.passed_over.append(PassedOver(self.prefix + path, reason))
