"""The LMDB store: local random access, one transaction per shard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.durable import sync
from cache.errors import CacheError, DamagedShardError
from cache.findings import Kind, Problem, RepairReport, VerifyReport, Waiting
from cache.folder import TEMPORARY_PREFIX, Folder, LocalFolder
from cache.key import FeatureKey
from cache.lmdb.check import check_store
from cache.lmdb.environment import KEY, LmdbFile, key_note
from cache.lmdb.pages import DATA_FILE, LOCK_FILE, SEAL_FILE, is_sealed, seal_pages
from cache.lmdb.reader import LmdbReader, find_rows
from cache.lmdb.records import NEXT_ROW, digest_keys, record_type, records, row_keys
from cache.lmdb.salvage import noted_keys, whole_rows
from cache.rows import ABSENT, Digests, Values
from cache.stores import CompactInfo, ShardInfo


class LmdbStore:
    """See `cache.stores.Store`. For a local disk: LMDB on a network filesystem is not safe."""

    def __init__(self, folder: LocalFolder, key: FeatureKey, cure: str) -> None:
        self.folder, self.key, self.file = folder, key, LmdbFile(folder.path, cure, key)

    def refresh(self) -> None:
        """Nothing to do: every transaction sees what is committed."""

    def present(self, digests: Digests) -> npt.NDArray[np.bool_]:
        return np.not_equal(find_rows(self.file, digests), ABSENT)

    def write(self, digests: Digests, values: Values) -> ShardInfo:
        if self.present(digests).all():
            return ShardInfo(name=None, rows_written=0, rows_present=len(digests), bytes_written=0)

        def put(transaction: Any, rows_db: Any, index_db: Any) -> ShardInfo:
            new = np.array([transaction.get(name, db=index_db) is None for name in digest_keys(digests)], dtype=bool)
            names, stored = digests[new], values[new]
            first = int.from_bytes(transaction.get(NEXT_ROW) or b"", "big")
            keys = row_keys(np.arange(first, first + len(names), dtype=np.int64))
            with transaction.cursor(db=rows_db) as cursor:
                cursor.putmulti(list(zip(keys, records(self.key, names, stored), strict=True)), append=True)
            with transaction.cursor(db=index_db) as cursor:
                cursor.putmulti(list(zip(digest_keys(names), keys, strict=True)))
            transaction.put(KEY, key_note(self.key))
            transaction.put(NEXT_ROW, (first + len(names)).to_bytes(8, "big"))
            written = len(names) * record_type(self.key).itemsize
            name = f"rows-{first}-{first + len(names) - 1}" if len(names) else None
            return ShardInfo(name, rows_written=len(names), rows_present=int((~new).sum()), bytes_written=written)

        return self.file.writing(put)

    def reader(self) -> LmdbReader:
        return LmdbReader(self.file, self.key)

    def compact(self, keep_replaced_seconds: float) -> CompactInfo:
        """Seal the file's pages, after a check of every row, where that was not done when the last shard was written.

        Nothing is merged: LMDB is one file, and always as fast as it gets.

        Raises:
            DamagedShardError: the store is damaged; nothing has changed then.
        """
        if self.file.exists() and not is_sealed(self.file.path):
            check = check_store(self.file.path, self.key)
            if check.problems or check.of_another:
                found = "; ".join(check.problems) or f"it is of another cache, {check.of_another}"
                where = str(self.file.path)
                raise DamagedShardError(f"LMDB store {where}: {found}; run `{self.file.cure}`", where)
            self.file.seal()
        return CompactInfo(1, 1, len(self.reader()))

    def shards(self) -> int:
        return int(len(self.reader()) > 0)

    def bytes_on_disk(self) -> int:
        files = [self.file.path / name for name in (DATA_FILE, SEAL_FILE, LOCK_FILE)]
        return sum(file.stat().st_blocks * 512 for file in files if file.exists())

    def waiting(self) -> list[Waiting]:
        return []  # nothing is ever replaced

    def verify(self, report: VerifyReport) -> None:
        check, data = check_store(self.folder.path, self.key), f"{self.folder.where}/{DATA_FILE}"
        if check.of_another:
            report.problems.append(Problem("foreign", data, f"is of another cache, {check.of_another}"))
            return
        report.shards, report.rows, report.bytes_read = int(not check.problems), check.rows, check.bytes_read
        report.unsealed = check.rows > 0 and not check.sealed
        if check.problems:
            kind: Kind = "damaged" if check.bytes_read else "missing"
            report.problems.append(Problem(kind, data, "; ".join(check.problems), check.rows_lost))
        report.add_strangers(self.folder, {DATA_FILE, SEAL_FILE, LOCK_FILE})

    def repair(self, problems: Sequence[Problem], report: RepairReport) -> None:
        """Copy every whole row into a new store and put its file in the damaged one's place."""
        damaged = [problem for problem in problems if problem.kind in ("damaged", "missing")]
        if not damaged:
            return
        path, lost = self.folder.path, sum(problem.rows_lost for problem in damaged)
        fresh = path.with_name(TEMPORARY_PREFIX + "salvaged")
        shutil.rmtree(fresh, ignore_errors=True)
        kept = self._copy_whole_rows(LmdbStore(LocalFolder(fresh), self.key, self.file.cure))
        self.close()
        for name in (SEAL_FILE, LOCK_FILE):  # the lock file counts the old file's transactions
            (path / name).unlink(missing_ok=True)
        sync(path)
        if kept:
            sync(fresh / DATA_FILE)
            (fresh / DATA_FILE).replace(path / DATA_FILE)
        else:
            (path / DATA_FILE).unlink(missing_ok=True)
        sync(path)
        shutil.rmtree(fresh, ignore_errors=True)
        if kept:
            seal_pages(path)
        report.rows_kept += kept
        report.rows_dropped += lost
        report.actions.append(f"copied {kept:,} whole rows into a new LMDB file; {lost:,} rows are lost")

    def _copy_whole_rows(self, target: LmdbStore) -> int:
        kept = 0
        for digests, values in whole_rows(self.folder.path, self.key):
            unique, first = np.unique(np.ascontiguousarray(digests), return_index=True)
            kept += target.write(unique, np.ascontiguousarray(values[first])).rows_written
        target.close()
        return kept

    def close(self) -> None:
        self.file.close()


class LmdbKind:
    """The `cache.stores.StoreKind` of LMDB."""

    name = "lmdb"

    def open(self, folder: Folder, key: FeatureKey, cure: str) -> LmdbStore:
        if not isinstance(folder, LocalFolder):
            raise CacheError(f"an LMDB store needs a local folder, not {folder.where}; use store=arrow there")
        return LmdbStore(folder, key, cure)

    def keys(self, folder: Folder) -> Iterator[FeatureKey]:
        for fields in noted_keys(folder.path) if isinstance(folder, LocalFolder) else ():
            try:
                yield FeatureKey.from_dict(fields, folder.where)
            except CacheError:
                continue  # damaged too: another copy may not be


STORE = LmdbKind()
