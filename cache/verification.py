"""verify: read every byte of a cache and say what is not as it was written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from xxhash import xxh3_128_hexdigest

from cache.compaction import LOCK_FILE
from cache.errors import CacheError
from cache.folder import TEMPORARY_PREFIX, Bytes, Folder, LocalFolder
from cache.identity import IDENTITY_FILE, PROVENANCE_FOLDER, USED_FILE, read_identity
from cache.key import FeatureKey
from cache.leases import LEASES_FOLDER
from cache.lmdb_check import check_store
from cache.rows import row_checksums, stored_dtype
from cache.sealed import unseal
from cache.shard_format import DATA_SUFFIX, ENTRY_SUFFIX, SHARD_NAME, ShardColumns, ShardEntry

Kind = Literal["damaged", "truncated", "missing", "manifest", "identity", "unlisted", "foreign"]
"""damaged, truncated, missing: a shard's data. manifest: its entry. identity: cache.json or a note. unlisted: a whole
shard that a killed writer had no time to list (nothing is lost). foreign: a file that no cache has."""

CHUNK_ROWS = 8192
_KNOWN_FILES = {IDENTITY_FILE, USED_FILE}
_KNOWN_FOLDERS = {"arrow", "lmdb", PROVENANCE_FOLDER, LEASES_FOLDER}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, the file's path, what was found, and how many rows it costs."""

    kind: Kind
    path: str
    detail: str
    rows_lost: int = 0


@dataclass
class VerifyReport:
    """What `verify` found in one cache.

    Args:
        folder: path or URI of the cache.
        store: arrow or lmdb.
        shards: shards (LMDB: stores) that are whole.
        rows: rows that are whole.
        bytes_read: bytes that were read and compared.
        unfinished: files of writes that were cut off; harmless, `gc` removes them.
        problems: all that is wrong; empty for a sound cache.
    """

    folder: str
    store: str
    shards: int = 0
    rows: int = 0
    bytes_read: int = 0
    unfinished: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def summary(self) -> str:
        """One line for a person."""
        if self.sound:
            return f"{self.folder}: sound, {self.rows:,} rows in {self.shards:,} shards, {self.bytes_read:,} bytes read"
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(p.kind for p in self.problems).items())
        lost = sum(problem.rows_lost for problem in self.problems)
        return f"{self.folder}: {kinds}; {lost:,} rows lost, {self.rows:,} rows whole"


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
        check = check_store(folder.path / "lmdb", key)
        report.shards, report.rows, report.bytes_read = int(not check.problems), check.rows, check.bytes_read
        for detail in check.problems:
            report.problems.append(Problem("damaged", str(folder.path / "lmdb"), detail, check.rows_lost))
    return report


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
    strangers = set(folder.names()) - _KNOWN_FILES | set(folder.folders()) - _KNOWN_FOLDERS
    for name in sorted(strangers):
        if name.startswith(TEMPORARY_PREFIX):
            report.unfinished += 1
        elif name != LOCK_FILE:
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a file"))


def verify_shards(folder: Folder, key: FeatureKey, report: VerifyReport) -> None:
    """Compare every Arrow shard in a folder with its entry, and every file with what may be there."""
    names = folder.names()
    replaced: set[str] = set()
    listed: set[str] = set()
    for name in names:
        stem = name.removesuffix(ENTRY_SUFFIX)
        if name.endswith(ENTRY_SUFFIX) and SHARD_NAME.fullmatch(stem):
            listed.add(stem)
            entry = _verify_entry(folder, name, report)
            if entry is not None:
                replaced.update(entry.replaces)
                problem = data_problem(folder, key, entry)
                report.bytes_read += entry.file_bytes
                report.problems += [problem] if problem else []
                report.shards += problem is None
                report.rows += entry.rows - (problem.rows_lost if problem else 0)
    for name in names:
        stem = name.removesuffix(DATA_SUFFIX)
        if name.startswith(TEMPORARY_PREFIX):
            report.unfinished += 1
        elif name.endswith(DATA_SUFFIX) and SHARD_NAME.fullmatch(stem):
            if stem not in listed and stem not in replaced:
                report.problems.append(Problem("unlisted", f"{folder.where}/{name}", "has no manifest entry"))
        elif name != LOCK_FILE and name.removesuffix(ENTRY_SUFFIX) not in listed:
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a file"))
    for name in folder.folders():
        report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a folder"))


def _verify_entry(folder: Folder, name: str, report: VerifyReport) -> ShardEntry | None:
    where = f"{folder.where}/{name}"
    try:
        entry = ShardEntry.from_json(folder.read(name), where)
    except CacheError as error:
        report.problems.append(Problem("manifest", where, str(error)))
        return None
    if entry.entry_file != name:
        report.problems.append(Problem("manifest", where, f"describes shard {entry.name}"))
        return None
    return entry


def data_problem(folder: Folder, key: FeatureKey, entry: ShardEntry) -> Problem | None:
    """What is wrong with a shard's data file, None where every byte is as written."""
    path = f"{folder.where}/{entry.data_file}"
    try:
        data = folder.map(entry.data_file)
    except FileNotFoundError:
        return Problem("missing", path, "the data file is gone", entry.rows)
    if len(data) != entry.file_bytes:
        lost = entry.rows - int(whole_rows(data, entry, key).sum())
        return Problem("truncated", path, f"{len(data):,} bytes where {entry.file_bytes:,} were written", lost)
    found = xxh3_128_hexdigest(data.data)
    if found != entry.name:
        lost = entry.rows - int(whole_rows(data, entry, key).sum())
        return Problem("damaged", path, f"checksum {found} where {entry.name} was written", lost)
    return None


def whole_rows(data: Bytes, entry: ShardEntry, key: FeatureKey) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(rows,) which rows of a possibly damaged or truncated file are as they were written."""
    whole = np.zeros(entry.rows, dtype=np.bool_)
    columns = columns_that_remain(data, entry, key)
    if columns is not None:
        for start in range(0, len(columns.values), CHUNK_ROWS):
            part = slice(start, min(start + CHUNK_ROWS, len(columns.values)))
            checksums = row_checksums(columns.digests[part], columns.values[part])
            whole[part] = checksums == columns.checksums[part]
    return whole


def columns_that_remain(data: Bytes, entry: ShardEntry, key: FeatureKey) -> ShardColumns | None:
    """The columns of the rows that a possibly truncated file still holds whole; None where there are none."""
    row_bytes = key.width * stored_dtype(key.dtype).itemsize
    rows = min(entry.rows, (len(data) - entry.feature_offset) // row_bytes)
    return ShardColumns(data, entry, key, rows) if rows > 0 else None
