"""Finding out what a cache is when its cache.json is lost or damaged: the shards carry the key too."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from cache.errors import CacheError
from cache.folder import Folder, LocalFolder
from cache.identity import read_identity
from cache.key import FeatureKey
from cache.lmdb_environment import LmdbFile
from cache.lmdb_store import KEY
from cache.shard_format import DATA_SUFFIX, KEY_METADATA


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
                metadata = pa.ipc.open_file(pa.py_buffer(shards.map(name))).schema.metadata or {}
                yield FeatureKey.from_dict(json.loads(metadata[KEY_METADATA]), name), "arrow"
            except (pa.ArrowInvalid, OSError, KeyError, ValueError):
                continue  # damaged too: the next shard says the same
    if isinstance(folder, LocalFolder):
        file = LmdbFile(folder.path / "lmdb", "")
        if file.exists():
            with file.reading() as (transaction, _, _):
                text = bytes(transaction.get(KEY) or b"")
            if text:
                yield FeatureKey.from_dict(json.loads(text), str(file.path)), "lmdb"
