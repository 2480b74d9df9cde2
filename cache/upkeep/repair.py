"""repair: drop what is damaged, keep what is whole, so that the next encode fills just the gaps."""

from __future__ import annotations

from pathlib import Path

from cache.errors import CacheError
from cache.findings import Problem, RepairReport
from cache.folder import LocalFolder
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, Identity, now_text, versions
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER, LeaseBook
from cache.stores import open_store
from cache.upkeep.verification import verify

PASSES = 3
"""Repairing a compacted shard can bring to light the shards it was made from, which are then listed again."""


def repair(folder: LocalFolder, key: FeatureKey, store: str) -> RepairReport:
    """Repair everything that `verify` finds in one cache. Readers opened before must be opened again.

    Args:
        folder: the cache's folder.
        key: the key it should have.
        store: the store's name.
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
        for problem in found.problems:
            if problem.kind == "identity":
                _repair_identity(folder, key, store, problem, report)
        open_store(folder, key, store).repair(found.problems, report)
    return report


def _repair_identity(folder: LocalFolder, key: FeatureKey, store: str, problem: Problem, report: RepairReport) -> None:
    path = Path(problem.path)
    if path.parent.name == PROVENANCE_FOLDER:
        path.unlink(missing_ok=True)
        report.actions.append(f"removed {path}: {problem.detail}")
    else:
        folder.write(IDENTITY_FILE, Identity(key, store, now_text(), versions()).to_json())
        report.actions.append(f"wrote {IDENTITY_FILE} anew: {problem.detail}")
