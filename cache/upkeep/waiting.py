"""What nothing needs any more and waits for deletion: one rule for `ls`, `verify` and `gc`."""

from __future__ import annotations

from datetime import timedelta

from cache.findings import Waiting
from cache.folder import TEMPORARY_PREFIX, Folder, tree_bytes
from cache.identity import PROVENANCE_FOLDER
from cache.leases import LEASES_FOLDER
from cache.stores import STORES

UNFINISHED_KEPT = timedelta(hours=24)
"""A temporary file older than this belongs to no living writer: shards take seconds, compactions minutes."""


def cache_folders() -> list[str]:
    """The folders that a cache may have: one for each known store, and those of its notes."""
    return [*STORES.names(), PROVENANCE_FOLDER, LEASES_FOLDER]


def leftovers_in_cache(cache: Folder) -> list[Waiting]:
    """What writes that were cut off left anywhere in a cache's folder."""
    return leftovers(cache) + [one for name in cache_folders() for one in leftovers(cache.child(name))]


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
