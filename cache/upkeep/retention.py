"""gc: remove caches that nobody used for long, and what cut-off writes and compactions left behind."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cache.durable import sync
from cache.errors import CacheError
from cache.findings import Waiting
from cache.folder import TEMPORARY_PREFIX, LocalFolder, folder_at
from cache.identity import STAMP_EVERY, last_used, read_identity
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.stores import Store, open_store
from cache.upkeep.listing import cache_names, waiting_in_root
from cache.upkeep.waiting import leftovers_in_cache


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
        waiting: what will go, but not yet.
    """

    dry_run: bool
    removed: list[Removal] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

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
    _remove_due(waiting_in_root(place.path), report)
    return report


def _judge(cache: LocalFolder, keep_used_within: timedelta, report: GcReport) -> None:
    try:
        identity = read_identity(cache)
        if identity is None:
            report.kept.append((cache.where, "has no cache.json, so it is left alone"))
            return
        store = open_store(cache, identity.key, identity.store)
    except CacheError as error:
        report.kept.append((cache.where, f"cannot be read, so it is left alone: {error}"))
        return
    used = last_used(cache) or datetime.fromisoformat(identity.created)
    idle = datetime.now(UTC) - used
    leases = LeaseBook(cache.path / LEASES_FOLDER).live()
    if idle <= keep_used_within + STAMP_EVERY or leases:  # the stamp may be so much older than the last use
        report.kept.append((cache.where, f"{leases} leases are held" if leases else f"used {_days(idle)} ago"))
        _remove_due(leftovers_in_cache(cache) + _replaced(store, cache.child(identity.store), report), report)
        return
    store.close()
    files = [file for file in cache.path.rglob("*") if file.is_file()]
    bytes_freed = sum(file.stat().st_blocks * 512 for file in files)
    _remove(Removal(str(cache.path), bytes_freed, f"last used {_days(idle)} ago"), report)


def _replaced(store: Store, folder: LocalFolder, report: GcReport) -> list[Waiting]:
    try:
        store.refresh()
    except CacheError as error:  # what a damaged cache still needs is not for gc to say
        report.kept.append((folder.where, f"no shard in it was removed, it is damaged: {error}"))
        return []
    return store.waiting()


def _remove_due(found: list[Waiting], report: GcReport) -> None:
    for waiting in found:
        if waiting.due:
            _remove(Removal(waiting.path, waiting.file_bytes, waiting.reason), report)
        else:
            report.waiting.append(waiting)


def _remove(removal: Removal, report: GcReport) -> None:
    path = Path(removal.path)
    report.removed.append(removal)
    if report.dry_run:
        return
    if path.is_dir() and not path.is_symlink():
        # Renamed first: a removal that is cut off leaves no half of a cache under a cache's name.
        doomed = path.with_name(f"{TEMPORARY_PREFIX}removed-{secrets.token_hex(4)}")
        path.rename(doomed)
        sync(path.parent)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)


def _days(time_passed: timedelta) -> str:
    return f"{time_passed.total_seconds() / 86400:.1f} days"
