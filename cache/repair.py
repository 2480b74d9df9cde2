"""repair: drop what is damaged, keep what is whole, so that the next encode fills just the gaps."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from cache.arrow_store import publish
from cache.compaction import LOCK_FILE
from cache.errors import CacheError
from cache.folder import TEMPORARY_PREFIX, LocalFolder, sync
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, Identity, now_text, versions
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.lmdb_check import check_store
from cache.lmdb_environment import LmdbFile
from cache.locks import locked
from cache.shard_format import DATA_SUFFIX, ENTRY_SUFFIX, ShardEntry, entry_of
from cache.verification import Problem, VerifyReport, columns_that_remain, verify, whole_rows

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
    if store == "lmdb" and any(problem.kind == "damaged" for problem in found.problems):
        _mend_lmdb(folder.path / "lmdb", key, report)
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
    for problem in found.problems:
        path = Path(problem.path)
        if problem.kind in ("manifest", "unlisted"):
            _list_again(folder, key, path.name.removesuffix(ENTRY_SUFFIX).removesuffix(DATA_SUFFIX), report)
        elif problem.kind in ("damaged", "truncated", "missing"):
            entry_file = path.name.removesuffix(DATA_SUFFIX) + ENTRY_SUFFIX
            entry = ShardEntry.from_json(folder.read(entry_file), entry_file)
            _salvage(folder, key, entry, problem.kind, report)


def _list_again(folder: LocalFolder, key: FeatureKey, name: str, report: RepairReport) -> None:
    """Make the entry of a shard that has none, or a damaged one, from its data file."""
    try:
        entry = entry_of(folder.map(name + DATA_SUFFIX), key, time.time_ns())
    except (FileNotFoundError, CacheError) as error:
        folder.remove(name + ENTRY_SUFFIX)
        folder.remove(name + DATA_SUFFIX)
        report.actions.append(f"removed shard {name}, its rows are not known any more: {error}")
        return
    if entry.name == name:
        folder.write(entry.entry_file, entry.to_json())
        report.actions.append(f"listed shard {name} again")
    else:
        _salvage(folder, key, replace(entry, name=name), "damaged", report)


def _salvage(folder: LocalFolder, key: FeatureKey, entry: ShardEntry, kind: str, report: RepairReport) -> None:
    """Write a damaged shard's whole rows as new shards, then remove it. Killed in between, nothing whole is lost."""
    kept, written = 0, set()
    if kind != "missing":
        data = folder.map(entry.data_file)
        whole, columns = whole_rows(data, entry, key), columns_that_remain(data, entry, key)
        for start in range(0, len(columns.values) if columns is not None else 0, SALVAGE_ROWS):
            assert columns is not None
            part = slice(start, min(start + SALVAGE_ROWS, len(columns.values)))
            keep = whole[part]
            if keep.any():
                new = publish(folder, key, columns.digests[part][keep], columns.values[part][keep])
                written.add(new.name)
                kept += new.rows
    if entry.name not in written:  # whole rows in a file with a damaged frame make the very same shard anew
        folder.remove(entry.entry_file)
        folder.remove(entry.data_file)
    report.rows_kept += kept
    report.rows_dropped += entry.rows - kept
    report.actions.append(f"shard {entry.name} was {kind}: kept {kept:,} of {entry.rows:,} rows")


def _mend_lmdb(path: Path, key: FeatureKey, report: RepairReport) -> None:
    """Copy every whole row into a new store and put its file in the damaged one's place."""
    fresh = path.with_name(TEMPORARY_PREFIX + "salvaged")
    shutil.rmtree(fresh, ignore_errors=True)
    check = check_store(path, key, salvage_to=fresh)
    LmdbFile(path, "").close()
    if (fresh / "data.mdb").exists():
        sync(fresh / "data.mdb")
        (fresh / "data.mdb").replace(path / "data.mdb")
    else:  # nothing was whole
        (path / "data.mdb").unlink()
    sync(path)
    shutil.rmtree(fresh, ignore_errors=True)
    report.rows_kept += check.rows
    report.rows_dropped += check.rows_lost
    report.actions.append(f"copied {check.rows:,} whole rows into a new LMDB file; {check.rows_lost:,} rows are lost")
