"""verify: read every byte of a cache and say what is not as it was written."""

from __future__ import annotations

import json
import re

from cache.digest_index import SEGMENT_SUFFIX, is_whole_segment
from cache.errors import CacheError
from cache.findings import Problem, RootReport, VerifyReport, strangers
from cache.folder import TEMPORARY_PREFIX, Folder, folder_at, tree_bytes
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, USED_FILE, last_used, read_identity
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER
from cache.leases import LOCK_FILE as LEASES_LOCK_FILE
from cache.sealed import unseal
from cache.stores import STORES, open_store
from cache.upkeep.conversion import LOCK_FILE
from cache.upkeep.listing import DIGESTS_FOLDER, cache_names, waiting_in_root
from cache.upkeep.waiting import cache_folders, leftovers_in_cache

_NOTE = re.compile(r"[0-9a-f]{16}\.json")
"""A provenance note, or a lease."""


def verify(folder: Folder, key: FeatureKey, store: str) -> VerifyReport:
    """Compare every file of one cache with its checksums. Changes nothing.

    Args:
        folder: the cache's folder.
        key: the key it should have, which its name is the digest of.
        store: the store's name.

    Raises:
        CacheError: there is no such store, or not in such a folder.
    """
    report = VerifyReport(folder.where, store)
    opened = open_store(folder, key, store)
    _verify_identity(folder, key, report)
    _verify_notes(folder, report)
    _verify_names(folder, report)
    opened.verify(report)
    for other in STORES.names():
        if other != store and (unused := tree_bytes(folder.child(other))):
            detail = f"{unused:,} bytes left by a conversion that was cut off: delete the folder, or convert again"
            report.harmless.append(Problem("foreign", folder.child(other).where, detail))
    report.waiting = leftovers_in_cache(folder) + report.waiting
    return report


def verify_root(root: str) -> RootReport:
    """Compare what a root holds apart from its caches, which is the index of file digests, with its checksums."""
    place, caches = folder_at(root), set(cache_names(root))
    report, index = RootReport(place.where), place.child(DIGESTS_FOLDER)
    for folder, known in ((place, {DIGESTS_FOLDER, *caches}), (index, set(_segments(index)))):
        for name in strangers(folder, known):
            detail = "is unknown: no job and no command reads it or deletes it"
            report.harmless.append(Problem("foreign", f"{folder.where}/{name}", detail))
    for name in _segments(index):
        try:
            data = index.read(name)
        except FileNotFoundError:
            continue  # merged into another meanwhile
        report.bytes_read += len(data)
        if is_whole_segment(name, data):
            report.segments += 1
        else:
            detail = "remembered file digests fail their checksum: the next job deletes it and reads those files again"
            report.harmless.append(Problem("damaged", f"{index.where}/{name}", detail))
    report.waiting = waiting_in_root(root)
    return report


def _segments(index: Folder) -> list[str]:
    return [name for name in index.names() if name.endswith(SEGMENT_SUFFIX) and not name.startswith(TEMPORARY_PREFIX)]


def _verify_names(folder: Folder, report: VerifyReport) -> None:
    folders = set(folder.folders())
    for name in strangers(folder, {IDENTITY_FILE, USED_FILE, LOCK_FILE, *cache_folders()}):
        stores = f"folder, and no store here has this name ({', '.join(STORES.names())})"
        detail = f"no cache has such a {stores if name in folders else 'file'}"
        report.problems.append(Problem("foreign", f"{folder.where}/{name}", detail))


def _verify_identity(folder: Folder, key: FeatureKey, report: VerifyReport) -> None:
    try:
        identity = read_identity(folder)
        if identity is None:
            report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", "is missing"))
        elif identity.key != key:
            report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", f"is of {identity.key}"))
    except CacheError as error:
        report.problems.append(Problem("identity", f"{folder.where}/{IDENTITY_FILE}", str(error)))


def _verify_notes(folder: Folder, report: VerifyReport) -> None:
    """Provenance, leases and the time of last use: what is damaged among them costs no row."""
    notes, leases = folder.child(PROVENANCE_FOLDER), folder.child(LEASES_FOLDER)
    named = [name for name in notes.names() if _NOTE.fullmatch(name)]
    held = [name for name in leases.names() if _NOTE.fullmatch(name)]
    report.add_strangers(notes, named)
    report.add_strangers(leases, [*held, LEASES_LOCK_FILE])
    for name in named:
        try:
            unseal(notes.read(name), f"{notes.where}/{name}")
        except CacheError as error:
            report.problems.append(Problem("identity", f"{notes.where}/{name}", str(error)))
    for name in held:
        if not _is_lease(leases, name):
            report.harmless.append(
                Problem("damaged", f"{leases.where}/{name}", "is no lease: the next job that writes deletes it")
            )
    if USED_FILE in folder.names() and last_used(folder) is None:
        detail = "is no time: the next job writes it anew, until then `gc` goes by the time the cache was made"
        report.harmless.append(Problem("damaged", f"{folder.where}/{USED_FILE}", detail))


def _is_lease(leases: Folder, name: str) -> bool:
    try:
        body = json.loads(leases.read(name))
    except FileNotFoundError:
        return True  # given back meanwhile
    except ValueError:
        return False
    return isinstance(body, dict) and {"owner", "ttl_seconds", "digests"} <= body.keys()
