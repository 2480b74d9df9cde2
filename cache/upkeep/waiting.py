"""What nothing needs any more and waits for deletion: one rule for `ls`, `verify` and `gc`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cache.folder import TEMPORARY_PREFIX, Folder, tree_bytes
from cache.identity import PROVENANCE_FOLDER
from cache.leases import LEASES_FOLDER
from cache.shards.compaction import REPLACED_KEPT_SECONDS, replaced_files
from cache.shards.entry import ShardEntry

UNFINISHED_KEPT = timedelta(hours=24)
"""A temporary file older than this belongs to no living writer: shards take seconds, compactions minutes."""

CACHE_FOLDERS = ("arrow", "lmdb", PROVENANCE_FOLDER, LEASES_FOLDER)


@dataclass(frozen=True)
class Waiting:
    """A file, or a folder, that waits for deletion: its path, its bytes, why, and when it may go."""

    path: str
    file_bytes: int
    reason: str
    may_go: datetime

    @property
    def due(self) -> bool:
        """Whether `gc` deletes it now."""
        return self.may_go <= datetime.now(UTC)


def waiting_in_cache(cache: Folder, entries: Iterable[ShardEntry]) -> list[Waiting]:
    """What waits for deletion in one cache's folder, of which `entries` are the visible Arrow shards."""
    shards, found = cache.child("arrow"), leftovers(cache)
    for name in CACHE_FOLDERS:
        found += leftovers(cache.child(name))
    for name, may_go in replaced_files(shards, entries, REPLACED_KEPT_SECONDS).items():
        path, file_bytes = f"{shards.where}/{name}", shards.size_bytes(name) or 0
        found.append(Waiting(path, file_bytes, "replaced by a compaction", may_go))
    return found


def leftovers(folder: Folder) -> list[Waiting]:
    """What writes that were cut off left in a folder itself, not in those below it."""
    found = []
    for name in [*folder.names(), *folder.folders()]:
        changed = folder.changed(name) if name.startswith(TEMPORARY_PREFIX) else None
        if changed is not None:
            file_bytes = folder.size_bytes(name) if name in folder.names() else tree_bytes(folder.child(name))
            may_go = changed + UNFINISHED_KEPT
            found.append(Waiting(f"{folder.where}/{name}", file_bytes or 0, "left by a write that was cut off", may_go))
    return found
