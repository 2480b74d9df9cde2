"""repair: drop what is damaged, keep what is whole, so that the next encode fills just the gaps."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cache.durable import sync
from cache.errors import CacheError
from cache.findings import Problem, VerifyReport
from cache.folder import TEMPORARY_PREFIX, Bytes, LocalFolder
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, Identity, now_text, versions
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.lmdb.environment import LmdbFile
from cache.lmdb.pages import DATA_FILE, SEAL_FILE, seal_pages
from cache.lmdb.pages import LOCK_FILE as LMDB_LOCK_FILE
from cache.lmdb.salvage import whole_rows as whole_rows_in_file
from cache.lmdb.store import LmdbStore
from cache.locks import locked
from cache.shards.check import columns_that_remain, whole_rows
from cache.shards.compaction import LOCK_FILE
from cache.shards.entry import DATA_SUFFIX, ENTRY_SUFFIX, ShardEntry, entry_of, is_of_another_cache
from cache.shards.store import publish
from cache.upkeep.verification import verify

SALVAGE_ROWS = 65_536
PASSES = 3
"""Mending a compacted shard can bring to light the shards it was made from, which are then listed again."""


@dataclass
class RepairReport:
    """What `repair` did to one cache.

    Args:
        folder: path of the cache.
        rows_dropped: rows that are gone; the next encode fills them.
        rows_kept: rows of damaged shards that were whole, and were kept.
        actions: what was done, one line each.
        left: problems that a person must look at; foreign files are never touched.
    """

    folder: str
    rows_dropped: int = 0
    rows_kept: int = 0
    actions: list[str] = field(default_factory=list)
    left: list[Problem] = field(default_factory=list)


def repair(folder: LocalFolder, key: FeatureKey, store: str) -> RepairReport:
    """Mend everything that `verify` finds in one cache. Readers opened before must be opened again.

    Args:
        folder: the cache's folder.
        key: the key it should have.
        store: arrow or lmdb.
    """
    working = LeaseBook(folder.path / LEASES_FOLDER).live()
    if working:
        raise CacheError(
            f"{folder.where}: {working} leases are held, so jobs are writing; repair it when they have ended"
        )
    report = RepairReport(folder.where)
    for _ in range(PASSES):
        found = verify(folder, key, store)
        report.left = [problem for problem in found.problems if problem.kind == "foreign"]
        if len(report.left) == len(found.problems):
            break
        _mend(folder, key, store, found, report)
    return report


def _mend(folder: LocalFolder, key: FeatureKey, store: str, found: VerifyReport, report: RepairReport) -> None:
    for problem in found.problems:
        if problem.kind == "identity":
            _mend_identity(folder, key, store, problem, report)
    damaged = [problem for problem in found.problems if problem.kind in ("damaged", "missing")]
    if store == "lmdb" and damaged:
        _mend_lmdb(folder.path / "lmdb", key, sum(problem.rows_lost for problem in damaged), report)
    elif store == "arrow" and (folder.path / "arrow").is_dir():
        with locked(folder.path / "arrow" / LOCK_FILE):
            _mend_arrow(folder.child("arrow"), key, found, report)


def _mend_identity(folder: LocalFolder, key: FeatureKey, store: str, problem: Problem, report: RepairReport) -> None:
    path = Path(problem.path)
    if path.parent.name == PROVENANCE_FOLDER:
        path.unlink(missing_ok=True)
        report.actions.append(f"removed {path}: {problem.detail}")
    else:
        folder.write(IDENTITY_FILE, Identity(key, store, now_text(), versions()).to_json())
        report.actions.append(f"wrote {IDENTITY_FILE} anew: {problem.detail}")


def _mend_arrow(folder: LocalFolder, key: FeatureKey, found: VerifyReport, report: RepairReport) -> None:
    damaged: list[_Damaged] = []
    for problem in found.problems:
        path = Path(problem.path)
        if problem.kind in ("manifest", "unlisted"):
            damaged += _list_again(folder, key, path.name.removesuffix(ENTRY_SUFFIX).removesuffix(DATA_SUFFIX), report)
        elif problem.kind in ("damaged", "truncated", "missing"):
            entry_file = path.name.removesuffix(DATA_SUFFIX) + ENTRY_SUFFIX
            entry = ShardEntry.from_json(folder.read(entry_file), entry_file)
            data = None if problem.kind == "missing" else folder.map(entry.data_file)
            damaged.append(_Damaged(entry, problem.kind, data))
    # All are mapped before the first is written: two shards whose files changed places are made anew under each other's
    # names. Killed in between, nothing whole is lost.
    written = {name for shard in damaged for name in _salvage(folder, key, shard, report)}
    for shard in damaged:
        if shard.entry.name not in written:
            folder.remove(shard.entry.entry_file)
            folder.remove(shard.entry.data_file)


@dataclass(frozen=True)
class _Damaged:
    """A damaged shard: its entry, what is wrong, and the bytes of its file, None where it is gone."""

    entry: ShardEntry
    kind: str
    data: Bytes | None


def _list_again(folder: LocalFolder, key: FeatureKey, name: str, report: RepairReport) -> list[_Damaged]:
    """Make the entry of a shard that has none, or a damaged one, from its data file; returned where that is damaged."""
    try:
        data = folder.map(name + DATA_SUFFIX)
        entry = entry_of(data, key, time.time_ns())
    except (FileNotFoundError, CacheError) as error:
        folder.remove(name + ENTRY_SUFFIX)
        if isinstance(error, CacheError) and is_of_another_cache(data, name, key):
            return []  # without an entry it is a foreign file, for a person to see to
        folder.remove(name + DATA_SUFFIX)
        report.actions.append(f"removed shard {name}, its rows are not known any more: {error}")
        return []
    if entry.name != name:
        return [_Damaged(replace(entry, name=name), "damaged", data)]
    folder.write(entry.entry_file, entry.to_json())
    report.actions.append(f"listed shard {name} again")
    return []


def _salvage(folder: LocalFolder, key: FeatureKey, shard: _Damaged, report: RepairReport) -> set[str]:
    """Write a damaged shard's whole rows as new shards; their names."""
    entry, data = shard.entry, shard.data
    kept, written = 0, set()
    columns = None if data is None else columns_that_remain(data, entry, key)
    if data is not None and columns is not None:
        whole = whole_rows(data, entry, key)
        for start in range(0, len(columns.values), SALVAGE_ROWS):
            part = slice(start, min(start + SALVAGE_ROWS, len(columns.values)))
            keep = whole[part]
            if keep.any():
                new = publish(folder, key, columns.digests[part][keep], columns.values[part][keep])
                written.add(new.name)
                kept += new.rows
    report.rows_kept += kept
    report.rows_dropped += entry.rows - kept
    report.actions.append(f"shard {entry.name} was {shard.kind}: kept {kept:,} of {entry.rows:,} rows")
    return written


def _mend_lmdb(path: Path, key: FeatureKey, rows_lost: int, report: RepairReport) -> None:
    """Copy every whole row into a new store and put its file in the damaged one's place."""
    fresh = path.with_name(TEMPORARY_PREFIX + "salvaged")
    shutil.rmtree(fresh, ignore_errors=True)
    store, kept = LmdbStore(fresh, key, ""), 0
    for digests, values in whole_rows_in_file(path, key):
        unique, first = np.unique(np.ascontiguousarray(digests), return_index=True)
        kept += store.write(unique, np.ascontiguousarray(values[first])).rows_written
    LmdbFile(fresh, "").close()
    LmdbFile(path, "").close()
    for name in (SEAL_FILE, LMDB_LOCK_FILE):  # the lock file counts the old file's transactions
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
    report.rows_dropped += rows_lost
    report.actions.append(f"copied {kept:,} whole rows into a new LMDB file; {rows_lost:,} rows are lost")
