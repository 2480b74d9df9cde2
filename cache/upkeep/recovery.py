"""Finding out what a cache is when its cache.json is lost or damaged: the shards carry the key too."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cache.errors import CacheError
from cache.folder import Folder, LocalFolder
from cache.identity import read_identity
from cache.key import FeatureKey
from cache.lmdb.salvage import noted_keys
from cache.shards.entry import DATA_SUFFIX, key_in_file


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
    raise CacheError(f"{folder.where}: {reason}, and no shard tells what it is; remove the folder and encode again")


def _keys_in_shards(folder: Folder) -> Iterator[tuple[FeatureKey, str]]:
    shards = folder.child("arrow")
    for name in shards.names():
        if name.endswith(DATA_SUFFIX):
            try:
                yield FeatureKey.from_dict(json.loads(key_in_file(shards.map(name)) or b""), name), "arrow"
            except (OSError, ValueError, AttributeError):
                continue  # damaged too: the next shard says the same
    if isinstance(folder, LocalFolder):
        for fields in noted_keys(folder.path / "lmdb"):
            try:
                yield FeatureKey.from_dict(fields, f"{folder.where}/lmdb"), "lmdb"
            except CacheError:
                continue  # damaged too: another copy may not be
