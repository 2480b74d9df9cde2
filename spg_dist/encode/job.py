"""Encode a data set: what is cached is reused, what is missing is encoded, what cannot be read is set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from cache import DigestIndex, FeatureCache, FeatureKey
from cache.extensions import carried
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES
from spg_dist.clip.card import ClipCard
from spg_dist.clip.config import ClipConfig
from spg_dist.data import ImageRecord, Manifest, Pixels
from spg_dist.data.duplicates import named, repeated, require_one_class
from spg_dist.encode.config import CacheConfig, EncodeConfig
from spg_dist.encode.shard import ShardReport, ShardTask
from spg_dist.encode.transform import PLAIN, ImageTransform, view_name
from spg_dist.home import resolve
from spg_dist.progress import Display

TaskRunner = Callable[[list[ShardTask]], Iterable[ShardReport]]
"""Runs tasks somewhere (this process, Ray workers) and yields their reports in any order."""


@dataclass(frozen=True)
class CachedViews:
    """Where the features of a manifest's images are; small, so it crosses process borders in place of the features.

    Arguments:
        digests: content digest of each image of the manifest.
        keys: the plain view's key, then those of the augmented views (training images only).
    """

    root: str
    store: str
    digests: tuple[str, ...]
    keys: tuple[FeatureKey, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return carried(CachedViews, self.root, self.store, self.digests, self.keys)  # the store may be a plugin's


@dataclass
class EncodeSummary:
    """What a job did; seconds are summed over workers.

    Arguments:
        encoded, reused: features of all views.
        set_aside: path of each image that cannot be used to the reason.
    """

    encoded: int = 0
    reused: int = 0
    set_aside: dict[str, str] = field(default_factory=dict)
    read_seconds: float = 0.0
    encode_seconds: float = 0.0
    write_seconds: float = 0.0

    def add(self, other: EncodeSummary) -> None:
        """Take another data set's summary into this one."""
        self.encoded += other.encoded
        self.reused += other.reused
        self.set_aside |= other.set_aside
        self.read_seconds += other.read_seconds
        self.encode_seconds += other.encode_seconds
        self.write_seconds += other.write_seconds

    def in_words(self) -> str:
        """One line for a log."""
        done = f"{self.encoded} features encoded" if self.encoded else "nothing to encode: 0 features encoded"
        return f"{done}, {self.reused} reused from the cache, {len(self.set_aside)} images set aside"


@dataclass(frozen=True)
class MissingFeatures:
    """What of one view is not in the cache.

    Arguments:
        bytes: that the missing ones will take there.
    """

    view: str
    wanted: int
    missing: int
    bytes: int


@dataclass
class EncodeJob:
    """Brings every image of a manifest into the cache: the plain view and, for training images, the augmented ones.

    Arguments:
        clip: the loaded model, whose fingerprint addresses the cache; workers load their own from `clip_config`.
        max_set_aside_share: share of the images (0 to 1) that may be unreadable.
    """

    manifest: Manifest
    clip: ClipCard
    clip_config: ClipConfig
    config: EncodeConfig
    cache: CacheConfig
    max_set_aside_share: float
    run_tasks: TaskRunner
    display: Display

    def run(self) -> tuple[Manifest, CachedViews, EncodeSummary]:
        """Returns the manifest less the images set aside, where its features are, and what was done.

        Raises:
            ValueError: too many images cannot be read, none of some domain's train or val split, or one is in two
                classes.
        """
        self._begin()
        keys = [self._encode_view(view, images) for view, images in self._views()]
        self._check_share()
        return *self._usable(keys), self.summary

    def look(self) -> tuple[Manifest, CachedViews, list[MissingFeatures]]:
        """What `run` would return if every image can be decoded, and what it would encode. Raises ValueError as it."""
        self._begin()
        keys, missing = [], []
        for view, images in self._views():
            key = feature_key(self.clip, view, self.cache.dtype, self.config.pixels)
            digests = {self.digest_of[image.path] for image in images if image.path in self.digest_of}
            absent = len(FeatureCache(self.root, key, self.cache.store).missing(sorted(digests)))
            missing.append(MissingFeatures(view, len(digests), absent, absent * _row_bytes(key)))
            keys.append(key)
        return *self._usable(keys), missing

    def _begin(self) -> None:
        self.summary = EncodeSummary()
        root = self.cache.root
        self.root = root if "://" in root else str(resolve(root))
        self._digest_files()
        self._check_share()  # already known to be too many: leave no empty cache
        self._check_classes()

    def _views(self) -> list[tuple[str, list[ImageRecord]]]:
        """Each view with the images that have it."""
        train = [image for image in self.manifest.images if image.split == "train"]
        augmented = (view_name(self.config.view_seed, k) for k in range(self.config.views))
        return [(PLAIN, list(self.manifest.images)), *((view, train) for view in augmented)]

    def _usable(self, keys: list[FeatureKey]) -> tuple[Manifest, CachedViews]:
        usable = self.manifest.without(set(self.summary.set_aside))
        self._check_splits(usable)
        digests = tuple(self.digest_of[image.path] for image in usable.images)
        return usable, CachedViews(self.root, self.cache.store, digests, tuple(keys))

    def _digest_files(self) -> None:
        paths = [self.manifest.absolute(image) for image in self.manifest.images]
        self.display.reading_files(len(paths))
        indexed = DigestIndex(self.root).digest_files(paths, progress=self.display.file_read)
        self.digest_of: dict[str, str] = {}
        for image, path, digest in zip(self.manifest.images, paths, indexed.digests, strict=True):
            if digest is None:
                self.summary.set_aside[image.path] = indexed.failed[str(path)]
            else:
                self.digest_of[image.path] = digest

    def _encode_view(self, view: str, images: list[ImageRecord]) -> FeatureKey:
        key = feature_key(self.clip, view, self.cache.dtype, self.config.pixels)
        store = FeatureCache.open(self.root, key, store=self.cache.store, provenance=self._provenance())
        images = [image for image in images if image.path not in self.summary.set_aside]
        missing = store.missing([self.digest_of[image.path] for image in images])
        absent = set(missing)
        reused = sum(self.digest_of[image.path] not in absent for image in images)
        self.summary.reused += reused
        tasks = self._tasks(key, missing, images)
        self.display.encoding(view, len(missing), reused, shards=len(tasks))
        rejected: dict[str, str] = {}
        for report in self.run_tasks(tasks):
            self.summary.encoded += report.encoded
            self.summary.reused += report.reused  # by another job, since this one looked
            self.summary.read_seconds += report.read_seconds
            self.summary.encode_seconds += report.encode_seconds
            self.summary.write_seconds += report.write_seconds
            rejected |= report.rejected
            self.display.shard_encoded(report.encoded, report.reused, len(report.rejected))
        for image in images:
            if self.digest_of[image.path] in rejected:
                self.summary.set_aside[image.path] = rejected[self.digest_of[image.path]]
        if missing:
            store.refresh()
            if store.is_local:  # object stores are read shard by shard
                store.compact()
        return key

    def _tasks(self, key: FeatureKey, missing: list[str], images: list[ImageRecord]) -> list[ShardTask]:
        path_of = {self.digest_of[image.path]: str(self.manifest.absolute(image)) for image in images}
        rows = self.config.shard_rows
        return [
            ShardTask(
                clip=self.clip_config,
                encode=self.config,
                cache_root=self.root,
                store=self.cache.store,
                key=key,
                digests=tuple(missing[start : start + rows]),
                paths=tuple(path_of[digest] for digest in missing[start : start + rows]),
                provenance=tuple(self._provenance().items()),
            )
            for start in range(0, len(missing), rows)
        ]

    def _provenance(self) -> dict[str, str]:
        versions = {name: metadata.version(name) for name in ("torch", "torchvision", "open_clip_torch", "pillow")}
        return {"dataset": self.manifest.dataset, "backbone": self.clip.name, **versions}

    def _check_classes(self) -> None:
        """The same image under two classes is a fault of the user's own folder, and a known one of published data."""
        manifest = self.manifest
        if not manifest.published:
            known = [i for i, image in enumerate(manifest.images) if image.path in self.digest_of]
            groups = repeated([self.digest_of[manifest.images[i].path] for i in known])
            require_one_class(manifest.root, ([named(manifest, known[i]) for i in group] for group in groups))

    def _check_share(self) -> None:
        aside, total = self.summary.set_aside, len(self.manifest.images)
        if len(aside) > self.max_set_aside_share * total:
            first = "; ".join(f"{path}: {reason}" for path, reason in list(aside.items())[:3])
            raise ValueError(
                f"{len(aside)} of {total} images in {self.manifest.root} cannot be read, more than the "
                f"{self.max_set_aside_share:.1%} that data.max_set_aside_share allows. The first: {first}. "
                f"Fix or remove them, or raise data.max_set_aside_share"
            )

    def _check_splits(self, usable: Manifest) -> None:
        """Training on nothing, or selecting by nothing, would fail late and obscurely."""
        left = {(image.domain, image.split) for image in usable.images}
        for domain, split in sorted({(image.domain, image.split) for image in self.manifest.images} - left):
            first = next(image.path for image in self.manifest.images if (image.domain, image.split) == (domain, split))
            raise ValueError(
                f"none of the {split} images of domain {self.manifest.domains[domain]} in {self.manifest.root} can be "
                f"read, e.g. {first}: {self.summary.set_aside[first]}. Restore them, or take the domain away"
            )


def _row_bytes(key: FeatureKey) -> int:
    """Of a cached feature with its digest and checksum."""
    return key.width * (4 if key.dtype == "float32" else 2) + DIGEST_BYTES + CHECKSUM_BYTES


def feature_key(clip: ClipCard, view: str, dtype: str, pixels: Pixels = "upright") -> FeatureKey:
    """The address of one view's features."""
    transform = ImageTransform(clip.preprocess, view, pixels)
    return FeatureKey(
        backbone=clip.fingerprint, transform=transform.fingerprint, view=view, dtype=dtype, width=clip.feature_width
    )
