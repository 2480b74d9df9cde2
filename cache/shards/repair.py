"""Repairing flat shards: what has lost its entry is listed again, of what is damaged the whole rows are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cache.errors import CacheError
from cache.findings import Problem, RepairReport
from cache.folder import Bytes, LocalFolder
from cache.locks import locked
from cache.shards.check import columns_that_remain, whole_rows
from cache.shards.entry import ENTRY_SUFFIX, ShardEntry
from cache.shards.folder import LOCK_FILE, ShardFolder

SALVAGE_ROWS = 65_536


def repair_shards(shards: ShardFolder, problems: Sequence[Problem], report: RepairReport) -> None:
    """See `cache.stores.Store.repair`. Raises CacheError where the folder is not local."""
    if not isinstance(shards.folder, LocalFolder):
        raise CacheError(f"{shards.folder.where} is not a local folder; repair the cache locally and copy it there")
    if shards.folder.path.is_dir():
        with locked(shards.folder.path / LOCK_FILE):
            _repair(shards, problems, report)


def _repair(shards: ShardFolder, problems: Sequence[Problem], report: RepairReport) -> None:
    folder, damaged = shards.folder, list[_Damaged]()
    for problem in problems:
        name = Path(problem.path).name.removesuffix(ENTRY_SUFFIX).removesuffix(shards.data_suffix)
        if problem.kind in ("manifest", "unlisted"):
            damaged += _list_again(shards, name, report)
        elif problem.kind in ("damaged", "truncated", "missing"):
            entry = ShardEntry.from_json(folder.read(name + ENTRY_SUFFIX), name + ENTRY_SUFFIX)
            data = None if problem.kind == "missing" else folder.map(shards.data_file(name))
            damaged.append(_Damaged(entry, problem.kind, data))
    # All are mapped before the first is written: two shards whose files changed places are made anew under each other's
    # names. Killed in between, nothing whole is lost.
    written = {name for shard in damaged for name in _salvage(shards, shard, report)}
    for shard in damaged:
        if shard.entry.name not in written:
            folder.remove(shard.entry.entry_file)
            folder.remove(shards.data_file(shard.entry.name))


@dataclass(frozen=True)
class _Damaged:
    """A damaged shard: its entry, what is wrong, and the bytes of its file, None where it is gone."""

    entry: ShardEntry
    kind: str
    data: Bytes | None


def _list_again(shards: ShardFolder, name: str, report: RepairReport) -> list[_Damaged]:
    """Make the entry of a shard that has none, or a damaged one, from its data file; returned where that is damaged."""
    folder = shards.folder
    try:
        data = folder.map(shards.data_file(name))
        entry = shards.entry_of(data, time.time_ns())
    except (FileNotFoundError, CacheError) as error:
        folder.remove(name + ENTRY_SUFFIX)
        if isinstance(error, CacheError) and shards.is_of_another_cache(data, name):
            return []  # without an entry it is a foreign file, for a person to see to
        folder.remove(shards.data_file(name))
        report.actions.append(f"removed shard {name}, its rows are not known any more: {error}")
        return []
    if entry.name != name:
        return [_Damaged(replace(entry, name=name), "damaged", data)]
    folder.write(entry.entry_file, entry.to_json())
    report.actions.append(f"listed shard {name} again")
    return []


def _salvage(shards: ShardFolder, shard: _Damaged, report: RepairReport) -> set[str]:
    """Write a damaged shard's whole rows as new shards; their names."""
    entry, data = shard.entry, shard.data
    kept, written = 0, set()
    columns = None if data is None else columns_that_remain(data, entry, shards.key)
    if data is not None and columns is not None:
        whole = whole_rows(data, entry, shards.key)
        for start in range(0, len(columns.values), SALVAGE_ROWS):
            part = slice(start, min(start + SALVAGE_ROWS, len(columns.values)))
            keep = whole[part]
            if keep.any():
                new = shards.publish(columns.digests[part][keep], columns.values[part][keep])
                written.add(new.name)
                kept += new.rows
    report.rows_kept += kept
    report.rows_dropped += entry.rows - kept
    report.actions.append(f"shard {entry.name} was {shard.kind}: kept {kept:,} of {entry.rows:,} rows")
    return written
