"""Check a data set on disk: what is there, beside what is published, and exactly what is missing or extra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from spg_dist.data.class_labels import class_labels
from spg_dist.data.config import DataConfig
from spg_dist.data.duplicates import Copies, by_kind, require_one_class
from spg_dist.data.duplicates_on_disk import duplicates_on_disk
from spg_dist.data.errors import DatasetError, ImageRejected
from spg_dist.data.layouts import PassedOver
from spg_dist.data.loading import drawables
from spg_dist.data.locating import FoundDataset, find_dataset
from spg_dist.data.manifest import Split
from spg_dist.data.pixel_differences import Difference, pixel_differences
from spg_dist.data.remarks import release_of, unknown_folders
from spg_dist.data.row_classes import require_classes_of_folders
from spg_dist.data.split_draw import choose_splits
from spg_dist.data.validation import (
    NamedImage,
    absent_classes,
    absent_rows,
    domain_names,
    named_images,
    require_rows_present,
    require_same_classes,
    require_train_and_val,
)
from spg_dist.file_names import from_text


@dataclass(frozen=True)
class CheckReport:
    """What a data set holds. Paths are relative to `root`.

    Arguments:
        dataset, layout, root: what was found, in which layout, in which folder.
        splits: where the splits come from; empty if they are to be drawn.
        domains: names of the domains expected and found, sorted.
        class_names: sorted.
        images: images on disk by (domain, class).
        split_images: images by (domain, split), empty if splits are to be drawn.
        published_images: domain -> published number of images, empty for a folder of the user's own.
        release: name of the published release that these counts are of, where it is another than the usual one.
        published_classes: published number of classes, 0 for a folder of the user's own.
        absent_images: named in split files, not on disk.
        unlisted_images: on disk, in no split file (empty where there are no split files).
        absent_classes: (domain, class) without images, though another domain has the class.
        may_lack_classes: whether that is allowed.
        unknown_folders: folders with images that are no domain of the published data set.
        passed_over: images on disk that the layout has no place for, or whose format is not read.
        unreadable: (path, reason), empty unless images were decoded.
        pixels_matter: (path, why), of images whose pixels depend on `encode.pixels`; empty unless images were decoded.
        decoded: whether images were decoded.
        duplicates: kind → images with the same bytes, in lists of two or more; None unless images were digested.
        set_aside_limit: share of unreadable images (0 to 1) above which a job refuses the data set.
        problems: why the data set cannot be loaded as it is; empty if it can.
    """

    dataset: str
    layout: str
    root: Path
    splits: str
    domains: tuple[str, ...]
    class_names: tuple[str, ...]
    images: Counter[tuple[str, str]]
    split_images: Counter[tuple[str, Split]]
    published_images: dict[str, int]
    release: str
    published_classes: int
    absent_images: tuple[str, ...]
    unlisted_images: tuple[str, ...]
    absent_classes: tuple[tuple[str, str], ...]
    may_lack_classes: bool
    unknown_folders: tuple[str, ...]
    passed_over: tuple[PassedOver, ...]
    unreadable: tuple[tuple[str, str], ...]
    pixels_matter: tuple[tuple[str, Difference], ...]
    decoded: bool
    duplicates: dict[str, list[Copies]] | None
    set_aside_limit: float
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the data set loads and every decoded image could be read."""
        return not self.problems and not self.unreadable

    @property
    def unreadable_share(self) -> float:
        """Share of the images on disk (0 to 1) that cannot be read."""
        return len(self.unreadable) / max(1, sum(self.images.values()))

    @property
    def usable(self) -> bool:
        """Whether a job takes the data set: it loads, and few enough of its images are set aside."""
        return not self.problems and self.unreadable_share <= self.set_aside_limit

    def domain_images(self, domain: str) -> int:
        """Images of a domain on disk."""
        return sum(count for (name, _), count in self.images.items() if name == domain)


def check_dataset(config: DataConfig, decode: bool = False, digest: bool = False) -> CheckReport:
    """Look at a data set without stopping at its first fault.

    Arguments:
        config: as for load_manifest.
        decode: also decode every image, which reads all of them, and digest it.
        digest: also find the images with the same bytes, which reads all of them.

    Raises:
        DatasetError: there is nothing to check (no such folder, no known layout).
    """
    assert config.dataset != "drawn", "a drawn data set is checked as a folder once it is on disk"
    found = find_dataset(config)
    listing = found.listing
    on_disk = named_images(found.without_rows())
    used = named_images(found)
    known = set(found.published.domains) if found.published else set()
    domains = sorted({image.domain for image in [*on_disk, *used]} | known)
    copies = duplicates_on_disk(found, used, config) if digest or decode else None
    in_rows = None if listing.rows is None else {row.path for row in listing.rows}
    release = release_of(found)
    unreadable, pixels_matter = _decode(listing.root, (image.path for image in on_disk) if decode else ())
    return CheckReport(
        dataset=found.name,
        layout=found.layout,
        root=listing.root,
        splits=listing.splits,
        domains=tuple(domains),
        class_names=tuple(sorted({image.class_name for image in [*on_disk, *used]})),
        images=Counter((image.domain, image.class_name) for image in on_disk),
        split_images=Counter((image.domain, image.split) for image in used if image.split),
        published_images=dict(found.published.counts(release)) if found.published else {},
        release=release,
        published_classes=found.published.class_count if found.published else 0,
        absent_images=tuple(sorted(path for paths in absent_rows(found).values() for path in paths)),
        unlisted_images=() if in_rows is None else tuple(sorted({i.path for i in on_disk} - in_rows)),
        absent_classes=tuple(absent_classes(found, on_disk, domains)),
        may_lack_classes=found.may_lack_classes,
        unknown_folders=tuple(unknown_folders(found)),
        passed_over=listing.passed_over,
        unreadable=tuple(unreadable),
        pixels_matter=tuple(pixels_matter),
        decoded=decode,
        duplicates=None if copies is None else by_kind(copies),
        set_aside_limit=config.max_set_aside_share,
        problems=tuple(_problems(found, used, domains, config, copies or [])),
    )


def _problems(
    found: FoundDataset, used: list[NamedImage], domains: list[str], config: DataConfig, copies: list[Copies]
) -> list[str]:
    """The messages of all checks that loading makes, each made by itself."""
    checks: list[Callable[[], object]] = [
        lambda: require_rows_present(found),
        lambda: domain_names(found, used),
        lambda: require_classes_of_folders(found),
        lambda: class_labels(found),
        lambda: require_same_classes(found, used, domains),
    ]
    if not found.published:
        checks.append(lambda: require_one_class(found.listing.root, copies))
    if found.listing.splits:
        checks.append(lambda: require_train_and_val(found, used, domains))
    else:
        # Labels play no part in whether a class is large enough to be split.
        labels = dict.fromkeys((image.class_name for image in used), 0)
        checks.append(lambda: choose_splits(drawables(used, labels), config.split_seed, config.train_share))
    problems = []
    for check in checks:
        try:
            check()
        except DatasetError as error:
            problems.append(str(error))
    return problems


def _decode(root: Path, paths: Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, Difference]]]:
    """What cannot be read, and what depends on `encode.pixels`."""
    unreadable, differing = list[tuple[str, str]](), list[tuple[str, Difference]]()
    out = Console(stderr=True)
    shown = track(sorted(paths), "reading images", console=out, transient=True, disable=not out.is_terminal)
    for path in shown:
        try:
            differing += [(path, why) for why in pixel_differences(root / from_text(path))]
        except ImageRejected as rejected:
            unreadable.append((path, rejected.reason))
    return unreadable, differing
