"""convert: change a cache's store in place, from any to any, bit by bit the same."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace

from cache.errors import CacheError
from cache.folder import LocalFolder, folder_at
from cache.identity import IDENTITY_FILE, read_identity
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.locks import locked
from cache.stores import open_store, store_kind

LOCK_FILE = ".compaction.lock"
"""In the cache's own folder, held while it is converted."""
BATCH_ROWS = 8192


@dataclass(frozen=True)
class ConvertInfo:
    """What `convert` did: the stores, and how many rows went over."""

    before: str
    after: str
    rows: int


def convert(root: str | os.PathLike[str], digest: str, store: str) -> ConvertInfo:
    """Turn one cache into another store, in the form that reads fastest.

    Each row is verified on its way, and the switch is one atomic rename. Cut off, the cache is still what it was; run
    again, it resumes with the rows that have not gone over yet.

    Args:
        root: a local cache root.
        digest: the cache's digest.
        store: name of what it is to be.

    Raises:
        CacheError: there is no such store, or the cache is not local, is in use by a writing job, or cannot be read.
        DamagedShardError: a row is not what was written.
    """
    folder = folder_at(root).child(digest)
    store_kind(store)
    if not isinstance(folder, LocalFolder):
        raise CacheError(f"{folder.where} is not a local folder; convert works on local caches only")
    identity = read_identity(folder)
    if identity is None:
        raise CacheError(f"{folder.where} is no cache; `spg-dist cache ls` lists those that are")
    with locked(folder.path / LOCK_FILE):
        working = LeaseBook(folder.path / LEASES_FOLDER).live()
        if working:
            raise CacheError(f"{folder.where}: {working} leases are held, so jobs are writing; convert when they ended")
        source, target = (open_store(folder, identity.key, name) for name in (identity.store, store))
        source.refresh()
        rows = len(source.reader())
        if identity.store == store:
            return ConvertInfo(store, store, rows)
        for digests, values in source.reader().batches(BATCH_ROWS):
            order = digests.argsort()
            target.write(digests[order], values[order])
        target.compact(keep_replaced_seconds=0)
        target.refresh()
        assert len(target.reader()) >= rows, "every row was written and verified"
        (folder.path / store).mkdir(exist_ok=True)
        folder.write(IDENTITY_FILE, replace(identity, store=store).to_json())
        source.close()
        if (folder.path / identity.store).exists():
            shutil.rmtree(folder.path / identity.store)
    return ConvertInfo(identity.store, store, rows)
