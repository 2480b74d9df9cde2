"""Checking Arrow shards: every file against its entry, and of a damaged one which rows are whole."""

from __future__ import annotations

import numpy as np
from xxhash import xxh3_128_hexdigest

from cache.errors import CacheError
from cache.findings import Problem, VerifyReport
from cache.folder import TEMPORARY_PREFIX, Bytes, Folder
from cache.key import FeatureKey
from cache.rows import row_checksums, stored_dtype
from cache.shards.compaction import LOCK_FILE
from cache.shards.entry import (
    DATA_SUFFIX,
    ENTRY_SUFFIX,
    SHARD_NAME,
    ShardColumns,
    ShardEntry,
    carries_key,
    entry_of,
    is_of_another_cache,
)

CHUNK_ROWS = 8192


def verify_shards(folder: Folder, key: FeatureKey, report: VerifyReport) -> list[ShardEntry]:
    """Compare every Arrow shard in a folder with its entry, and every file with what may be there.

    Returns the entries that can be read.
    """
    names = folder.names()
    entries: list[ShardEntry] = []
    listed: set[str] = set()
    for name in names:
        stem = name.removesuffix(ENTRY_SUFFIX)
        if name.endswith(ENTRY_SUFFIX) and SHARD_NAME.fullmatch(stem):
            listed.add(stem)
            entry = _verify_entry(folder, name, report)
            if entry is not None:
                entries.append(entry)
                problem = data_problem(folder, key, entry)
                report.bytes_read += entry.file_bytes
                report.problems += [problem] if problem else []
                report.shards += problem is None
                report.rows += _rows_whole(entry, problem)
    replaced = {name for entry in entries for name in entry.replaces}
    for name in names:
        stem = name.removesuffix(DATA_SUFFIX)
        if name.startswith(TEMPORARY_PREFIX):
            continue
        if name.endswith(DATA_SUFFIX) and SHARD_NAME.fullmatch(stem):
            if stem in replaced - listed:
                _verify_replaced(folder, name, report)
            elif stem not in listed:
                report.problems.append(_unlisted(folder, name, key))
        elif name != LOCK_FILE and name.removesuffix(ENTRY_SUFFIX) not in listed:
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a file"))
    for name in folder.folders():
        if not name.startswith(TEMPORARY_PREFIX):
            report.problems.append(Problem("foreign", f"{folder.where}/{name}", "no cache has such a folder"))
    return entries


def _rows_whole(entry: ShardEntry, problem: Problem | None) -> int:
    if problem is None:
        return entry.rows
    return 0 if problem.kind in ("foreign", "manifest") else entry.rows - problem.rows_lost


def _verify_replaced(folder: Folder, name: str, report: VerifyReport) -> None:
    try:
        data = folder.map(name)
    except FileNotFoundError:
        return  # removed by `gc` meanwhile
    report.bytes_read += len(data)
    found = xxh3_128_hexdigest(data.data)
    if found != name.removesuffix(DATA_SUFFIX):
        detail = f"checksum {found}; a compaction has replaced this shard and its rows are read elsewhere: delete it"
        report.harmless.append(Problem("damaged", f"{folder.where}/{name}", detail))


def _unlisted(folder: Folder, name: str, key: FeatureKey) -> Problem:
    path = f"{folder.where}/{name}"
    if is_of_another_cache(folder.map(name), name.removesuffix(DATA_SUFFIX), key):
        return Problem("foreign", path, "is a shard of another cache")
    return Problem("unlisted", path, "has no manifest entry")


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
    try:
        described = entry_of(data, key, entry.created_ns, entry.replaces, entry.name)
    except CacheError:
        return Problem("foreign", path, f"is a shard of another cache, and so is its entry {entry.entry_file}")
    if described != entry:
        return Problem("manifest", f"{folder.where}/{entry.entry_file}", "does not describe its file")
    return None


def whole_rows(data: Bytes, entry: ShardEntry, key: FeatureKey) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(rows,) which rows of a possibly damaged or truncated file are as they were written.

    None is where the header does not tell that the file is of this cache: a row's checksum does not hold for the key.
    """
    whole = np.zeros(entry.rows, dtype=np.bool_)
    columns = columns_that_remain(data, entry, key) if carries_key(data, entry, key) else None
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
