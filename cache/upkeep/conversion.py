"""convert: change a cache's store in place, Arrow to LMDB or back, bit by bit the same."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace

from cache.errors import CacheError
from cache.feature_cache import make_store, mend_command
from cache.folder import LocalFolder, folder_at
from cache.identity import IDENTITY_FILE, read_identity
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.lmdb.environment import LmdbFile
from cache.lmdb.store import LmdbStore
from cache.locks import locked
from cache.shards.compaction import LOCK_FILE
from cache.stores import STORES, StoreName

BATCH_ROWS = 8192


@dataclass(frozen=True)
class ConvertInfo:
    """What `convert` did: the stores, and how many rows went over."""

    before: str
    after: str
    rows: int


def convert(root: str | os.PathLike[str], digest: str, store: StoreName) -> ConvertInfo:
    """Turn one cache into the other store. Each row is verified on its way, and the switch is one atomic rename.

    Cut off, the cache is still what it was; run again, it goes on with the rows that have not gone over yet.

    Args:
        root: a local cache root.
        digest: the cache's digest.
        store: what it is to be.

    Raises:
        CacheError: it is not local, is in use by a writing job, or cannot be read.
        DamagedShardError: a row is not what was written.
    """
    folder = folder_at(root).child(digest)
    if store not in STORES:
        raise CacheError(f"store is {store!r}; expected one of {', '.join(STORES)}")
    if not isinstance(folder, LocalFolder):
        raise CacheError(f"{folder.where} is not a local folder; convert works on local caches only")
    identity = read_identity(folder)
    if identity is None:
        raise CacheError(f"{folder.where} is no cache; `spg-dist cache ls` lists those that are")
    with locked(folder.path / LOCK_FILE):
        working = LeaseBook(folder.path / LEASES_FOLDER).live()
        if working:
            raise CacheError(f"{folder.where}: {working} leases are held, so jobs are writing; convert when they ended")
        mend = mend_command(root, digest)
        source = make_store(folder, identity.key, identity.store, mend)
        source.refresh()
        rows = len(source.reader())
        if identity.store == store:
            return ConvertInfo(store, store, rows)
        target = make_store(folder, identity.key, store, mend)
        for digests, values in source.reader().batches(BATCH_ROWS):
            order = digests.argsort()
            target.write(digests[order], values[order])
        if isinstance(target, LmdbStore):
            target.compact(0)  # seals it
        target.refresh()
        assert len(target.reader()) >= rows, "every row was written and verified"
        (folder.path / store).mkdir(exist_ok=True)
        folder.write(IDENTITY_FILE, replace(identity, store=store).to_json())
        LmdbFile(folder.path / "lmdb", "").close()
        if (folder.path / identity.store).exists():
            shutil.rmtree(folder.path / identity.store)
    return ConvertInfo(identity.store, store, rows)
