"""gc: remove caches that nobody used for long, and what cut-off writes and compactions left behind."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cache.arrow_store import ArrowStore
from cache.compaction import remove_replaced
from cache.errors import CacheError
from cache.feature_cache import REPLACED_KEPT_SECONDS
from cache.folder import TEMPORARY_PREFIX, LocalFolder, folder_at, sync
from cache.identity import STAMP_EVERY, last_used, read_identity
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.listing import cache_names
from cache.lmdb_environment import LmdbFile

UNFINISHED_KEPT_SECONDS = 24 * 3600.0
"""A temporary file older than this belongs to no living writer: shards take seconds, compactions minutes."""


@dataclass(frozen=True)
class Removal:
    """One thing that `gc` removed, or would remove: path, bytes, why."""

    path: str
    bytes_freed: int
    reason: str


@dataclass
class GcReport:
    """What `gc` did.

    Args:
        dry_run: whether nothing was removed, only looked for.
        removed: what went, or would go.
        kept: caches that stay, with the reason.
    """

    dry_run: bool
    removed: list[Removal] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)

    @property
    def bytes_freed(self) -> int:
        """Bytes on disk that were, or would be, freed."""
        return sum(removal.bytes_freed for removal in self.removed)


def collect_garbage(root: str | os.PathLike[str], keep_used_within: timedelta, *, dry_run: bool) -> GcReport:
    """Remove the caches below a root that were not used within a time, and leftovers in those that stay.

    A cache that a job holds a lease in stays, and so does everything that is not a readable cache.

    Args:
        root: a local cache root.
        keep_used_within: how long ago a cache may have been opened last to be kept.
        dry_run: only say what would go.

    Raises:
        CacheError: the root is not local, or the time is negative.
    """
    place = folder_at(root)
    if not isinstance(place, LocalFolder):
        raise CacheError(f"{place.where} is not a local folder; gc works on local caches only")
    if keep_used_within < timedelta(0):
        raise CacheError(f"keep_used_within is {keep_used_within}; expected a time of zero or more")
    report = GcReport(dry_run)
    for name in cache_names(root):
        _judge(place.child(name), keep_used_within, report)
    _leftovers(place, report)
    _leftovers(place.child("digests"), report)
    return report


def _judge(cache: LocalFolder, keep_used_within: timedelta, report: GcReport) -> None:
    try:
        identity = read_identity(cache)
    except CacheError as error:
        report.kept.append((cache.where, f"cannot be read, so it is left alone: {error}"))
        return
    if identity is None:
        report.kept.append((cache.where, "has no cache.json, so it is left alone"))
        return
    used = last_used(cache) or datetime.fromisoformat(identity.created)
    idle = datetime.now(UTC) - used
    leases = LeaseBook(cache.path / LEASES_FOLDER).live()
    if idle <= keep_used_within + STAMP_EVERY or leases:  # the stamp may be so much older than the last use
        report.kept.append((cache.where, f"{leases} leases are held" if leases else f"used {_days(idle)} ago"))
        for folder in (cache, cache.child("arrow"), cache.child("lmdb")):
            _leftovers(folder, report)
        _replaced(cache.child("arrow"), ArrowStore(cache.child("arrow"), identity.key, ""), report)
        return
    LmdbFile(cache.path / "lmdb", "").close()
    _remove(cache.path, f"last used {_days(idle)} ago", report)


def _leftovers(folder: LocalFolder, report: GcReport) -> None:
    for name in folder.names() + folder.folders():
        path = folder.path / name
        if name.startswith(TEMPORARY_PREFIX) and time.time() - path.stat().st_mtime > UNFINISHED_KEPT_SECONDS:
            _remove(path, "left by a write that was cut off", report)


def _replaced(folder: LocalFolder, store: ArrowStore, report: GcReport) -> None:
    if not folder.path.is_dir():
        return
    try:
        store.refresh()
    except CacheError as error:  # what a damaged cache still needs is not for gc to say
        report.kept.append((folder.where, f"nothing in it was removed, it is damaged: {error}"))
        return
    for name in remove_replaced(folder, store.entries(), REPLACED_KEPT_SECONDS, dry_run=True):
        _remove(folder.path / name, "replaced by a compaction", report)


def _remove(path: Path, reason: str, report: GcReport) -> None:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    report.removed.append(Removal(str(path), sum(file.stat().st_blocks * 512 for file in files), reason))
    if report.dry_run:
        return
    if path.is_dir():
        # Renamed first: a removal that is cut off leaves no half of a cache under a cache's name.
        doomed = path.with_name(f"{TEMPORARY_PREFIX}removed-{secrets.token_hex(4)}")
        path.rename(doomed)
        sync(path.parent)
        shutil.rmtree(doomed)
    else:
        path.unlink()


def _days(time_passed: timedelta) -> str:
    return f"{time_passed.total_seconds() / 86400:.1f} days"
