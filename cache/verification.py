"""verify: read every byte of a cache and say what is not as it was written."""

from __future__ import annotations

from cache.arrow_check import verify_shards
from cache.compaction import LOCK_FILE
from cache.errors import CacheError
from cache.findings import Kind, Problem, VerifyReport
from cache.folder import TEMPORARY_PREFIX, Folder, LocalFolder
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, USED_FILE, read_identity
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER
from cache.lmdb_check import check_store
from cache.lmdb_pages import DATA_FILE, SEAL_FILE
from cache.lmdb_pages import LOCK_FILE as LMDB_LOCK_FILE
from cache.sealed import unseal

_KNOWN_FILES = {IDENTITY_FILE, USED_FILE}
_KNOWN_FOLDERS = {"arrow", "lmdb", PROVENANCE_FOLDER, LEASES_FOLDER}


def verify(folder: Folder, key: FeatureKey, store: str) -> VerifyReport:
    """Compare every file of one cache with its checksums. Changes nothing.

    Args:
        folder: the cache's folder.
        key: the key it should have, which its name is the digest of.
        store: arrow or lmdb.
    """
    report = VerifyReport(folder.where, store)
    _verify_identity(folder, key, report)
    _verify_top(folder, report)
    if store == "arrow":
        verify_shards(folder.child("arrow"), key, report)
    elif isinstance(folder, LocalFolder):
        _verify_lmdb(folder.child("lmdb"), key, report)
    return report


def _verify_lmdb(folder: LocalFolder, key: FeatureKey, report: VerifyReport) -> None:
    check, data = check_store(folder.path, key), f"{folder.where}/{DATA_FILE}"
    if check.of_another:
        report.problems.append(Problem("foreign", data, f"is of another cache, {check.of_another}"))
        return
    report.shards, report.rows, report.bytes_read = int(not check.problems), check.rows, check.bytes_read
    report.unsealed = check.rows > 0 and not check.sealed
    if check.problems:
        kind: Kind = "damaged" if check.bytes_read else "missing"
        report.problems.append(Problem(kind, data, "; ".join(check.problems), check.rows_lost))
    for name in [*folder.names(), *folder.folders()]:
        if name.startswith(TEMPORARY_PREFIX):
            report.unfinished += 1
        elif name not in (DATA_FILE, SEAL_FILE, LMDB_LOCK_FILE):
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a file"))


def _verify_identity(folder: Folder, key: FeatureKey, report: VerifyReport) -> None:
    try:
        identity = read_identity(folder)
        if identity is None:
            report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", "is missing"))
        elif identity.key != key:
            report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", f"is of {identity.key}"))
    except CacheError as error:
        report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", str(error)))
    notes = folder.child(PROVENANCE_FOLDER)
    for name in notes.names():
        if name.startswith(TEMPORARY_PREFIX):
            report.unfinished += 1
            continue
        try:
            unseal(notes.read(name), f"{notes.where}/{name}")
        except CacheError as error:
            report.problems.append(Problem("identity", f"{notes.where}/{name}", str(error)))


def _verify_top(folder: Folder, report: VerifyReport) -> None:
    strangers = {*folder.names(), *folder.folders()} - _KNOWN_FILES - _KNOWN_FOLDERS
    for name in sorted(strangers):
        if name.startswith(TEMPORARY_PREFIX):
            report.unfinished += 1
        elif name != LOCK_FILE:
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a file"))
