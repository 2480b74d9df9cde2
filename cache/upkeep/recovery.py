"""Finding out what a cache is when its cache.json is lost or damaged: the shards carry the key too."""

from __future__ import annotations

from collections.abc import Iterator

from cache.errors import CacheError
from cache.folder import Folder
from cache.identity import read_identity
from cache.key import FeatureKey
from cache.stores import STORES
from cache.upkeep.waiting import cache_folders


def recover_key_and_store(folder: Folder, digest: str) -> tuple[FeatureKey, str]:
    """The key and the store of a cache.

    Args:
        folder: the cache's folder.
        digest: the folder's name, which the key's digest must be.

    Raises:
        CacheError: neither cache.json nor any shard tells.
    """
    try:
        identity = read_identity(folder)
        if identity is not None and identity.key.digest == digest:
            return identity.key, identity.store
        reason = "cache.json is missing" if identity is None else f"cache.json is of {identity.key}"
    except CacheError as error:
        reason = str(error)
    for key, store in _keys_in_shards(folder):
        if key.digest == digest:
            return key, store
    advice = "remove the folder and encode again"
    if unknown := ", ".join(sorted(set(folder.folders()) - set(cache_folders()))):
        advice = f"if {unknown} in it is a store of your own, name its plugin; else {advice}"
    raise CacheError(f"{folder.where}: {reason}, and no shard tells what it is; {advice}")


def _keys_in_shards(folder: Folder) -> Iterator[tuple[FeatureKey, str]]:
    for store in STORES:
        for key in store.keys(folder.child(store.name)):
            yield key, store.name
