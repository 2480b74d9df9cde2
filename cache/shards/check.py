"""Checking flat shards: every file against its entry, and of a damaged one which rows are whole."""

from __future__ import annotations

import numpy as np
from xxhash import xxh3_128_hexdigest

from cache.errors import CacheError
from cache.findings import Problem, VerifyReport
from cache.folder import TEMPORARY_PREFIX, Bytes
from cache.key import FeatureKey
from cache.rows import row_checksums, stored_dtype
from cache.shards.entry import ENTRY_SUFFIX, SHARD_NAME, ShardColumns, ShardEntry, carries_key
from cache.shards.folder import LOCK_FILE, ShardFolder

CHUNK_ROWS = 8192


def verify_shards(shards: ShardFolder, report: VerifyReport) -> list[ShardEntry]:
    """Compare every shard in a folder with its entry, and every file with what may be there.

    Returns the entries that can be read.
    """
    names = shards.folder.names()
    entries: list[ShardEntry] = []
    listed: set[str] = set()
    for name in names:
        stem = name.removesuffix(ENTRY_SUFFIX)
        if name.endswith(ENTRY_SUFFIX) and SHARD_NAME.fullmatch(stem):
            listed.add(stem)
            entry = _verify_entry(shards, name, report)
            if entry is not None:
                entries.append(entry)
                problem = data_problem(shards, entry)
                report.bytes_read += entry.file_bytes
                report.problems += [problem] if problem else []
                report.shards += problem is None
                report.rows += _rows_whole(entry, problem)
    replaced = {name for entry in entries for name in entry.replaces} - listed
    for name in names:
        stem = name.removesuffix(shards.data_suffix)
        if name.startswith(TEMPORARY_PREFIX):
            continue
        if name.endswith(shards.data_suffix) and SHARD_NAME.fullmatch(stem):
            if stem in replaced:
                _verify_replaced(shards, stem, report)
            elif stem not in listed:
                report.problems.append(_unlisted(shards, stem))
        elif name != LOCK_FILE and name.removesuffix(ENTRY_SUFFIX) not in listed:
            report.problems.append(Problem("foreign", f"{shards.folder.where}/{name}", "no cache has such a file"))
    for name in shards.folder.folders():
        if not name.startswith(TEMPORARY_PREFIX):
            report.problems.append(Problem("foreign", f"{shards.folder.where}/{name}", "no cache has such a folder"))
    return entries


def _rows_whole(entry: ShardEntry, problem: Problem | None) -> int:
    if problem is None:
        return entry.rows
    return 0 if problem.kind in ("foreign", "manifest") else entry.rows - problem.rows_lost


def _verify_replaced(shards: ShardFolder, name: str, report: VerifyReport) -> None:
    try:
        data = shards.folder.map(shards.data_file(name))
    except FileNotFoundError:
        return  # removed by `gc` meanwhile
    report.bytes_read += len(data)
    found = xxh3_128_hexdigest(data.data)
    if found != name:
        detail = f"checksum {found}; a compaction has replaced this shard and its rows are read elsewhere: delete it"
        report.harmless.append(Problem("damaged", shards.path(name), detail))


def _unlisted(shards: ShardFolder, name: str) -> Problem:
    if shards.is_of_another_cache(shards.folder.map(shards.data_file(name)), name):
        return Problem("foreign", shards.path(name), "is whole, and no shard of this cache")
    return Problem("unlisted", shards.path(name), "has no manifest entry")


def _verify_entry(shards: ShardFolder, name: str, report: VerifyReport) -> ShardEntry | None:
    where = f"{shards.folder.where}/{name}"
    try:
        entry = ShardEntry.from_json(shards.folder.read(name), where)
    except CacheError as error:
        report.problems.append(Problem("manifest", where, str(error)))
        return None
    if entry.entry_file != name:
        report.problems.append(Problem("manifest", where, f"describes shard {entry.name}"))
        return None
    return entry


def data_problem(shards: ShardFolder, entry: ShardEntry) -> Problem | None:
    """What is wrong with a shard's data file, None where every byte is as written."""
    path = shards.path(entry.name)
    try:
        data = shards.folder.map(shards.data_file(entry.name))
    except FileNotFoundError:
        return Problem("missing", path, "the data file is gone", entry.rows)
    if len(data) != entry.file_bytes:
        lost = entry.rows - int(whole_rows(data, entry, shards.key).sum())
        return Problem("truncated", path, f"{len(data):,} bytes where {entry.file_bytes:,} were written", lost)
    found = xxh3_128_hexdigest(data.data)
    if found != entry.name:
        lost = entry.rows - int(whole_rows(data, entry, shards.key).sum())
        return Problem("damaged", path, f"checksum {found} where {entry.name} was written", lost)
    try:
        described = shards.entry_of(data, entry.created_ns, entry.replaces, entry.name)
    except CacheError:
        return Problem("foreign", path, f"is a shard of another cache, and so is its entry {entry.entry_file}")
    if described != entry:
        return Problem("manifest", f"{shards.folder.where}/{entry.entry_file}", "does not describe its file")
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
