"""Compaction beside writers and readers at work: nobody sees a row vanish, change or come twice."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np

from cache import FeatureCache
from cache.folder import LocalFolder
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.verification import verify

FORK = multiprocessing.get_context("fork")
DIGESTS = digests_of(300)
ROWS = rows_of(DIGESTS)


def _write(root: Path, first: int) -> None:
    cache = FeatureCache.open(root, key_of())
    for start in range(first, len(DIGESTS), 20):
        cache.write_shard(DIGESTS[start : start + 10], ROWS[start : start + 10])


def _compact(root: Path, until: float) -> None:
    cache = FeatureCache.open(root, key_of())
    while time.monotonic() < until:
        cache.compact()


def test_writers_a_compactor_and_a_reader_at_once(tmp_path: Path) -> None:
    FeatureCache.open(tmp_path, key_of())
    until = time.monotonic() + 1.5
    workers = [FORK.Process(target=_write, args=(tmp_path, first)) for first in (0, 10)]
    workers += [FORK.Process(target=_compact, args=(tmp_path, until)) for _ in range(2)]
    for worker in workers:
        worker.start()
    cache, seen = FeatureCache.open(tmp_path, key_of()), 0
    while any(worker.is_alive() for worker in workers):
        missing = set(cache.missing(DIGESTS))
        there = [number for number, digest in enumerate(DIGESTS) if digest not in missing]
        assert len(there) >= seen, "a row that was there is gone"
        seen, reader = len(there), cache.reader()
        taken = reader.take(reader.rows([DIGESTS[number] for number in there]))
        np.testing.assert_array_equal(taken, ROWS[there].astype(np.float16))
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert cache.compact(keep_replaced_seconds=0).rows == len(DIGESTS)
    assert len(cache.reader().matrix()) == len(DIGESTS)
    assert verify(LocalFolder(tmp_path / key_of().digest), key_of(), "arrow").sound
