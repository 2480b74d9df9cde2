"""Checking and salvaging an LMDB store, in a process of its own.

LMDB trusts its pages: a flipped bit in one can make it fail, abort or crash. So the walk runs in a child process. Where
that dies, the walk goes on behind the rows that killed it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import CacheError
from cache.key import FeatureKey
from cache.lmdb_environment import LmdbFile
from cache.lmdb_store import KEY, NEXT_ROW, LmdbStore, record_type, row_keys
from cache.rows import row_checksums

COARSE_ROWS, FINE_ROWS = 1024, 32
"""Rows walked, and where asked saved, at a time: coarse as long as all goes well, fine around rows that kill."""


@dataclass
class LmdbCheck:
    """What a walk over an LMDB store found.

    Args:
        rows: rows that are whole.
        rows_lost: rows that were written and cannot be read, or are not what was written.
        bytes_read: size of the store's file.
        problems: what is wrong, one text each.
    """

    rows: int = 0
    rows_lost: int = 0
    bytes_read: int = 0
    problems: list[str] = field(default_factory=list)


def check_store(path: Path, key: FeatureKey, salvage_to: Path | None = None) -> LmdbCheck:
    """Walk every row of the store at `path`; nothing in it is changed.

    Args:
        path: the store's folder.
        key: the cache's key.
        salvage_to: a folder that gets a new store with every row that is whole.
    """
    check = LmdbCheck()
    if not (path / "data.mdb").exists():
        return check
    check.bytes_read = (path / "data.mdb").stat().st_size
    first, batch, skip = 0, COARSE_ROWS, FINE_ROWS
    while True:
        walk = _run_child({"path": str(path), "to": str(salvage_to or ""), "first": first, "batch": batch}, key)
        check.rows += walk.rows
        check.rows_lost += walk.lost
        check.problems += walk.problems
        if walk.finished or walk.end is None:
            break
        skip = FINE_ROWS if walk.reached > first else 2 * skip
        first = walk.reached
        if batch == FINE_ROWS:  # the fine walk died too: these rows are lost
            lost = min(skip, walk.end - first)
            check.rows_lost += lost
            check.problems.append(f"rows {first} to {first + lost - 1} cannot be read: {walk.death}")
            first += lost
        batch = FINE_ROWS
    if not walk.finished:
        check.problems.append(f"the store cannot be opened: {walk.death}")
    return check


@dataclass
class _Walk:
    """What one child told: how far it came, of how many row numbers (None: it could not open the store)."""

    rows: int = 0
    lost: int = 0
    reached: int = 0
    end: int | None = None
    finished: bool = False
    death: str = ""
    problems: list[str] = field(default_factory=list)


def _run_child(task: dict[str, Any], key: FeatureKey) -> _Walk:
    child = subprocess.run(
        [sys.executable, "-m", "cache.lmdb_check"],
        input=json.dumps(task | {"key": key.as_dict()}),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )
    walk = _Walk(reached=int(task["first"]))
    for line in map(json.loads, filter(lambda line: line.startswith("{"), child.stdout.splitlines())):
        walk.rows += line["rows"]
        walk.lost += line["lost"]
        walk.problems += line["problems"]
        walk.reached, walk.end = line["reached"], line["end"]
    walk.finished = child.returncode == 0
    walk.death = (child.stderr.strip().splitlines() or [f"the process died with status {child.returncode}"])[-1]
    return walk


class _Child:
    """The walk itself, in the child process."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._key = FeatureKey(**task["key"])
        self._file = LmdbFile(Path(task["path"]), "")
        self._to = LmdbStore(Path(task["to"]), self._key, "") if task["to"] else None
        self._first, self._batch = int(task["first"]), int(task["batch"])
        self._problems: list[str] = []

    def run(self) -> None:
        end = self._end()
        self._tell(0, 0, self._first, end)
        for start in range(self._first, end, self._batch):
            stop = min(start + self._batch, end)
            records = list(self._records(np.arange(start, stop)))
            if records and self._to is not None:
                packed = np.frombuffer(b"".join(records), dtype=record_type(self._key))
                self._to.write(*_ascending(packed["digest"], packed["values"]))
            lost = stop - start - len(records)
            if lost:
                self._problems.append(f"{lost} of the rows {start} to {stop - 1} are not what was written")
            self._tell(len(records), lost, stop, end)

    def _end(self) -> int:
        with self._file.reading() as (transaction, rows_db, index_db):
            end = int.from_bytes(transaction.get(NEXT_ROW) or b"", "big")
            counts = [int(transaction.stat(database)["entries"]) for database in (rows_db, index_db)]
            if self._first == 0 and counts != [end, end]:
                self._problems.append(
                    f"{end} rows were written; there are {counts[0]} rows and {counts[1]} in the index"
                )
            stored = bytes(transaction.get(KEY) or b"")
            if end and self._first == 0 and stored != json.dumps(self._key.as_dict(), sort_keys=True).encode():
                self._problems.append(f"the store's own note of its key is {stored!r}")
        return max(end, *counts)

    def _records(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[bytes]:
        for number, key in zip(numbers.tolist(), row_keys(numbers), strict=True):
            try:
                with self._file.reading() as (transaction, rows_db, index_db):
                    record = bytes(transaction.get(key, db=rows_db) or b"")
                    if not self._whole(record):
                        continue
                    if transaction.get(record[8:40], db=index_db) != key:
                        self._problems.append(f"the index does not lead to row {number}")
            except CacheError as error:
                self._problems.append(f"row {number}: {error.__cause__}")
                continue
            yield record

    def _whole(self, record: bytes) -> bool:
        kind = record_type(self._key)
        if len(record) != kind.itemsize:
            return False
        packed = np.frombuffer(record, dtype=kind)
        return bool(row_checksums(packed["digest"], packed["values"])[0] == packed["checksum"][0])

    def _tell(self, rows: int, lost: int, reached: int, end: int) -> None:
        line = {"rows": rows, "lost": lost, "reached": reached, "end": end, "problems": self._problems}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        self._problems = []


def _ascending(digests: Any, values: Any) -> tuple[Any, Any]:
    unique, first = np.unique(np.ascontiguousarray(digests), return_index=True)
    return unique, np.ascontiguousarray(values[first])


if __name__ == "__main__":
    _Child(json.loads(sys.stdin.read())).run()
