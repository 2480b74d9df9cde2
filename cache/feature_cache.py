"""FeatureCache: one cache, that of one key, below a cache root."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from cache.extensions import carried
from cache.folder import Folder, LocalFolder, folder_at
from cache.identity import claim_identity, note_provenance, note_use
from cache.key import FeatureKey
from cache.leases import DEFAULT_TTL_SECONDS, LEASES_FOLDER, Lease, LeaseBook
from cache.rows import digests_from_hex, sorted_rows
from cache.stores import REPLACED_KEPT_SECONDS, CompactInfo, Reader, ShardInfo, open_store


class FeatureCache:
    """Use `FeatureCache.open`. Cheap to pickle: another process opens the same cache by root, key and store.

    Any number of processes may write at once. One object is for one thread.
    """

    def __init__(self, root: str | os.PathLike[str], key: FeatureKey, store: str) -> None:
        place = folder_at(root)
        # Absolute, because a process that this object is sent to may have another current directory.
        self.root = place.where if isinstance(place, LocalFolder) else os.fspath(root)
        self.key, self.store_name = key, store
        self.folder: Folder = place.child(key.digest)
        self.store = open_store(self.folder, key, store)

    @property
    def is_local(self) -> bool:
        """True for a folder of this machine's file system, False for any other URI."""
        return isinstance(self.folder, LocalFolder)

    def __reduce__(self) -> tuple[Any, ...]:
        return carried(FeatureCache, self.root, self.key, self.store_name)

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        key: FeatureKey,
        store: str = "arrow",
        provenance: Mapping[str, Any] | None = None,
    ) -> FeatureCache:
        """Open the cache of a key, making it at first use.

        Args:
            root: folder, or URI of any pyarrow filesystem (for stores of flat shards, such as Arrow), that holds all
                caches. From a URI a shard is read into memory whole at its first use; a table larger than memory wants
                a local copy.
            key: what determines a feature beside the image.
            store: name of the store (`cache.stores.STORES`); must be what the cache is kept as.
            provenance: what to record about who fills it; values that JSON can hold.

        Raises:
            CacheError: the folder holds another key, store or layout version, or cannot be made, or there is no such
                store.
        """
        cache = cls(root, key, store)
        claim_identity(cache.folder, key, store)
        if provenance:
            note_provenance(cache.folder, provenance)
        note_use(cache.folder)
        cache.refresh()
        return cache

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of N image digests (64 hexadecimal digits) that have no row yet, in order, each once."""
        unique = list(dict.fromkeys(digests))
        self.refresh()
        there = self.store.present(digests_from_hex(unique))
        return [digest for digest, present in zip(unique, there, strict=True) if not present]

    def write_shard(self, digests: Sequence[str], rows: npt.ArrayLike) -> ShardInfo:
        """Add rows, all or none, durable when this returns. Rows that are there already are left alone.

        Args:
            digests: N image digests.
            rows: (N, width) of float16 or float32, converted to the key's dtype; for bfloat16 also uint16 bits.

        Raises:
            CacheError: wrong shape or dtype, a value that is not finite (names the image), a full disk, or the cache
                was converted to another store meanwhile.
        """
        claim_identity(self.folder, self.key, self.store_name)
        return self.store.write(*sorted_rows(digests, rows, self.key.dtype, self.key.width))

    def claim(self, digests: Sequence[str], ttl_seconds: float = DEFAULT_TTL_SECONDS) -> Lease:
        """Claim what of N image digests is missing and nobody else is encoding; use it in a `with` statement.

        A lease ends when it is released, when its owner dies, or, seen from another machine, `ttl_seconds` after its
        owner fell silent. A cache at a remote URI has no leases: there all that is missing is granted to everyone,
        which may cost double work and never a wrong row.
        """
        if not isinstance(self.folder, LocalFolder):
            return Lease(tuple(self.missing(digests)), (), None)
        return LeaseBook(self.folder.path / LEASES_FOLDER).claim(digests, self.missing, ttl_seconds)

    def claims(
        self, digests: Sequence[str], ttl_seconds: float = DEFAULT_TTL_SECONDS, poll_seconds: float = 0.5
    ) -> Iterator[tuple[str, ...]]:
        """Yield what is yours to encode of N image digests, until none is in other hands.

            for mine in cache.claims(digests):
                cache.write_shard(mine, encode(mine))

        What another process is encoding is waited for, and yielded here should that process die. Each digest is yielded
        once at most, so an image that cannot be encoded does not come back. The lease ends with the loop's step.
        """
        todo = list(dict.fromkeys(digests))
        while todo:
            with self.claim(todo, ttl_seconds) as lease:
                if lease.digests:
                    yield lease.digests
            todo = list(lease.elsewhere)
            if not lease.digests and todo:
                time.sleep(poll_seconds)

    def refresh(self) -> None:
        """See the shards that other processes wrote. `missing`, `write_shard` and `reader` do it by themselves."""
        self.store.refresh()

    def reader(self) -> Reader:
        """A reader of all rows that are visible now."""
        self.refresh()
        note_use(self.folder)
        return self.store.reader()

    def compact(self, keep_replaced_seconds: float = REPLACED_KEPT_SECONDS) -> CompactInfo:
        """Put all rows into the form that reads fastest: flat shards into one, a file of pages under its seal.

        Readers and writers may be at work meanwhile. Replaced files go at the first compaction or `gc` after
        `keep_replaced_seconds`.
        """
        return self.store.compact(keep_replaced_seconds)
