"""ls and info: which caches lie below a root, how large they are, who filled them and when they were last used."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cache.errors import CacheError
from cache.findings import Waiting
from cache.folder import LocalFolder, folder_at, tree_bytes
from cache.identity import last_used, read_identity, read_provenance
from cache.key import FeatureKey
from cache.stores import open_store
from cache.upkeep.waiting import leftovers, leftovers_in_cache

DIGESTS_FOLDER = "digests"
"""Beside the caches of a root: which file has which content."""

CACHE_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class CacheSummary:
    """One cache below a root.

    Args:
        digest: the key's digest, which is the folder's name.
        key: the key; None where cache.json cannot be read.
        store: the store's name; "?" where cache.json cannot be read.
        rows, shards: what is visible (a store that is one file counts as one shard); 0 where it cannot be read.
        bytes_on_disk: bytes of the store's files that are in use; of all files where the cache cannot be read.
        waiting: what nothing needs any more and `gc` deletes in its time; it is not in `bytes_on_disk`.
        created: ISO 8601 time.
        last_used: when it was last opened; None where never stamped.
        provenance: what each kind of job recorded: `provenance`, `first_used`, `versions`.
        versions: of python and the libraries that made it.
        error: why it cannot be read; None where it can.
    """

    digest: str
    key: FeatureKey | None
    store: str
    rows: int = 0
    shards: int = 0
    bytes_on_disk: int = 0
    waiting: tuple[Waiting, ...] = ()
    created: str = ""
    last_used: datetime | None = None
    provenance: tuple[dict[str, Any], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    error: str | None = None


def list_caches(root: str | os.PathLike[str]) -> list[CacheSummary]:
    """Every cache below a root, by digest; one that is damaged is listed with its error."""
    return [summarize(root, name) for name in cache_names(root)]


def cache_names(root: str | os.PathLike[str]) -> list[str]:
    """The digests of all caches below a root; none where nothing was cached yet.

    Raises:
        CacheError: there is no such local folder, or it is no cache root: it holds other things, and no cache.
    """
    folder = folder_at(root)
    if isinstance(folder, LocalFolder) and not folder.path.is_dir():
        raise CacheError(f"there is no cache root {folder.where}; give the folder that the jobs' `cache.root` names")
    folders = folder.folders()
    names = [name for name in folders if CACHE_NAME.fullmatch(name)]
    others = [name for name in folders + folder.names() if not name.startswith(".")]
    if not names and others and DIGESTS_FOLDER not in folders:
        one_cache = CACHE_NAME.fullmatch(folder.where.rstrip("/").rsplit("/", 1)[-1]) is not None
        hint = "this is one cache: give the folder above it" if one_cache else "give the one that `cache.root` names"
        held = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        raise CacheError(f"{folder.where} is no cache root: it holds {held} and no cache; {hint}")
    return names


def summarize(root: str | os.PathLike[str], digest: str) -> CacheSummary:
    """One cache below a root, damaged or not."""
    folder = folder_at(root).child(digest)
    try:
        identity = read_identity(folder)
    except CacheError as error:
        return CacheSummary(digest, None, "?", bytes_on_disk=tree_bytes(folder), error=str(error))
    if identity is None:
        return CacheSummary(digest, None, "?", error="cache.json is missing")
    rows, shards, error_text = 0, 0, None
    try:
        store = open_store(folder, identity.key, identity.store)
        store.refresh()
        rows, shards, bytes_on_disk = len(store.reader()), store.shards(), store.bytes_on_disk()
        waiting = tuple(leftovers_in_cache(folder) + store.waiting())
        provenance = tuple(read_provenance(folder))
    except CacheError as error:
        bytes_on_disk, waiting = tree_bytes(folder), ()
        provenance, error_text = (), str(error)
    return CacheSummary(
        digest,
        identity.key,
        identity.store,
        rows=rows,
        shards=shards,
        bytes_on_disk=bytes_on_disk,
        waiting=waiting,
        created=identity.created,
        last_used=last_used(folder),
        provenance=provenance,
        versions=tuple(sorted(identity.versions.items())),
        error=error_text,
    )


def waiting_in_root(root: str | os.PathLike[str]) -> list[Waiting]:
    """What waits for deletion in a root itself and in its index of file digests."""
    place = folder_at(root)
    return leftovers(place) + leftovers(place.child(DIGESTS_FOLDER))


def find_cache(root: str | os.PathLike[str], prefix: str) -> str:
    """The digest of the one cache below a root whose digest begins so. Raises CacheError for none or several."""
    names = cache_names(root)
    found = [name for name in names if name.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(names) or "none"
    many = f"{len(found)} caches begin" if found else "no cache begins"
    raise CacheError(f"{many} with {prefix!r} in {folder_at(root).where}; there are: {known}")
