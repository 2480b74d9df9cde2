"""Checking an LMDB store: its pages against their seal, and where that does not settle it, its rows one by one.

LMDB trusts its pages: a flipped bit in one can make it fail, abort or crash. So it walks a file that is not known to be
whole in a child process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DamagedShardError
from cache.key import FeatureKey
from cache.lmdb.environment import KEY, LmdbFile, key_note
from cache.lmdb.pages import DATA_FILE, changed_pages, describe, is_sealed
from cache.lmdb.records import DIGEST_PART, NEXT_ROW, record_type, whole_records
from cache.lmdb.salvage import count_whole_rows

BATCH_ROWS = 1024


@dataclass
class LmdbCheck:
    """What was found in an LMDB store.

    Args:
        rows: rows that are whole; of a damaged store those that can be salvaged.
        rows_lost: rows that were written and are not among them.
        bytes_read: size of the store's file.
        sealed: whether every byte was compared with the seal; False: the rows and the way to them were.
        problems: what is wrong, one text each.
        of_another: what the store says it is, where that is not this cache.
    """

    rows: int = 0
    rows_lost: int = 0
    bytes_read: int = 0
    sealed: bool = False
    problems: list[str] = field(default_factory=list)
    of_another: str = ""


def check_store(path: Path, key: FeatureKey) -> LmdbCheck:
    """Check the store in the folder `path` without changing anything.

    Args:
        path: the store's folder.
        key: the cache's key.
    """
    check = LmdbCheck()
    if not (path / DATA_FILE).exists():
        check.problems += [f"{DATA_FILE} is gone"] if is_sealed(path) else []
        return check
    check.bytes_read = (path / DATA_FILE).stat().st_size
    try:
        changed = changed_pages(path)
        check.sealed = changed == []
        check.problems += [describe(changed)] if changed else []
    except DamagedShardError as error:
        check.problems.append(str(error))
    walk = _walk(path, key)
    written = int(walk.get("written", 0))
    check.problems += walk["problems"]
    check.of_another = walk.get("of_another", "") if not check.problems else ""
    check.rows = written if not check.problems else count_whole_rows(path, key)
    check.rows_lost = max(0, written - check.rows)
    return check


def _walk(path: Path, key: FeatureKey) -> dict[str, Any]:
    """What the child told of the store, up to where it died of it."""
    child = subprocess.run(
        [sys.executable, "-m", "cache.lmdb.check"],
        input=json.dumps({"path": str(path), "key": key.as_dict()}),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    told: dict[str, Any] = {"problems": []}
    for line in filter(lambda line: line.startswith("{"), child.stdout.splitlines()):
        told |= json.loads(line)
    if child.returncode:
        last_words = child.stderr.strip().splitlines() or [f"the process died with status {child.returncode}"]
        how_many = "" if "written" in told else "; how many rows it held is not known"
        told["problems"].append(f"it cannot be walked: {last_words[-1]}{how_many}")
    return told


class _Walk:
    """The walk itself, in the child process."""

    def __init__(self, path: Path, key: FeatureKey) -> None:
        self._key, self._file = key, LmdbFile(path, "spg-dist cache repair", may_write=False)
        self._wrong: Counter[str] = Counter()

    def run(self) -> None:
        with self._file.reading() as (transaction, rows_db, index_db):
            stored = bytes(transaction.get(KEY) or b"")
            if stored not in (b"", key_note(self._key)):
                _tell(of_another=stored.decode(errors="replace"))
            written = int.from_bytes(transaction.get(NEXT_ROW) or b"", "big")
            counts = [int(transaction.stat(database)["entries"]) for database in (rows_db, index_db)]
            if counts != [written, written]:
                text = f"{written} rows were written; there are {counts[0]} rows and {counts[1]} in the index"
                self._wrong[text] += 1
                written = min(written, max(counts))  # a damaged count is not what was lost
            _tell(written=written)
            self._rows(transaction, rows_db, index_db, written)
        _tell(problems=[text if count == 1 else f"{text} ({count} times)" for text, count in self._wrong.items()])

    def _rows(self, transaction: Any, rows_db: Any, index_db: Any, written: int) -> None:
        kind, seen = record_type(self._key), 0
        with transaction.cursor(db=rows_db) as cursor:
            # No more than were written: damaged pages can lead in circles.
            nodes: Iterator[tuple[Any, Any]] = islice(cursor.iternext(), written)
            while batch := list(islice(nodes, BATCH_ROWS)):
                seen += len(batch)
                fitting = [(name, record) for name, record in batch if len(record) == kind.itemsize]
                packed = np.frombuffer(b"".join(record for _, record in fitting), dtype=kind)
                self._wrong["a row is not what was written"] += len(batch) - int(whole_records(packed).sum())
                for name, record in fitting:
                    astray = transaction.get(record[DIGEST_PART], db=index_db) != name
                    self._wrong["the index does not lead to a row"] += astray
                    self._wrong["a row is not found by its number"] += transaction.get(name, db=rows_db) != record
        self._wrong["a row cannot be reached"] += written - seen
        self._wrong += Counter()  # drops what was counted zero times


def _tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _task = json.loads(sys.stdin.read())
    _Walk(Path(_task["path"]), FeatureKey(**_task["key"])).run()
