"""A writer killed at any moment leaves a cache that opens, with every finished shard in it."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from cache import FeatureCache
from cache.folder import LocalFolder
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.verification import verify

KILLS = 120  # for each of the two stores
SHARD_ROWS = 8
DIGESTS = digests_of(1600)
ROWS = rows_of(DIGESTS)


def _write_until_killed(root: Path, store: str, first: int, done: int) -> None:
    """Write shards from `first` on, telling through the pipe `done` each one that is durable."""
    cache = FeatureCache.open(root, key_of(), store=store)
    for start in range(first, len(DIGESTS), SHARD_ROWS):
        part = slice(start, start + SHARD_ROWS)
        cache.write_shard(DIGESTS[part], ROWS[part])
        os.write(done, b".")
        if start % 5 == 0:
            cache.compact(keep_replaced_seconds=0 if start % 2 else 3600)
    os.write(done, b"!")


def _killed_writer(root: Path, store: str, first: int, shards: int, seconds: float) -> int:
    """Start a writer, kill it a time after it wrote some shards; returns how many it said were durable."""
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(receive)
        status = 1
        try:
            _write_until_killed(root, store, first, send)
            status = 0
        finally:
            os._exit(status)
    os.close(send)
    said = b""
    while len(said) < shards and (chunk := os.read(receive, 1)):
        said += chunk
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    while chunk := os.read(receive, 4096):
        said += chunk
    os.close(receive)
    assert os.WIFSIGNALED(status) or b"!" in said, "the writer must be killed, or have finished; it must not fail"
    return said.count(b".")


@pytest.mark.faults
def test_two_hundred_and_forty_kills_lose_nothing_that_was_finished(tmp_path: Path, store: str) -> None:
    chance = random.Random(7)
    root, finished = tmp_path / "0", 0
    for kill in range(KILLS):
        shards, seconds = chance.randrange(4), chance.uniform(0, 0.012)
        finished += _killed_writer(root, store, finished * SHARD_ROWS, shards, seconds)
        cache = FeatureCache.open(root, key_of(), store=store)
        reader = cache.reader()
        there = len(reader)
        assert there % SHARD_ROWS == 0, "half a shard is visible"
        assert there >= finished * SHARD_ROWS, "a finished shard is lost"
        assert there <= (finished + 1) * SHARD_ROWS
        finished = there // SHARD_ROWS
        if finished >= len(DIGESTS) // SHARD_ROWS - 20 or kill == KILLS - 1:
            _compare_every_row(root, tmp_path / f"undisturbed{kill}", store, there)
            root, finished = tmp_path / str(kill + 1), 0
            FeatureCache.open(root, key_of(), store=store)


def _compare_every_row(root: Path, undisturbed_root: Path, store: str, rows: int) -> None:
    undisturbed = FeatureCache.open(undisturbed_root, key_of(), store=store)
    undisturbed.write_shard(DIGESTS[:rows], ROWS[:rows])
    expected, reader = undisturbed.reader(), FeatureCache.open(root, key_of(), store=store).reader()
    asked = DIGESTS[:rows]
    np.testing.assert_array_equal(reader.take(reader.rows(asked)), expected.take(expected.rows(asked)))
    problems = verify(LocalFolder(root / key_of().digest), key_of(), store).problems
    assert {problem.kind for problem in problems} <= {"unlisted"}, problems
    reader.close()
