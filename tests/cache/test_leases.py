"""Leases keep jobs from doing the same work, and a dead owner keeps nobody from anything."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from cache import CacheError, FeatureCache
from cache.leases import LeaseBook
from cache.testing.material import digests_of, key_of, rows_of

FORK = multiprocessing.get_context("fork")


def lease_files(root: Path) -> list[Path]:
    return list((root / key_of().digest / "leases").glob("*.json"))


def test_two_claims_share_the_work_and_never_overlap(tmp_path: Path, store: str) -> None:
    first = FeatureCache.open(tmp_path, key_of(), store=store)
    second = FeatureCache.open(tmp_path, key_of(), store=store)
    digests = digests_of(10)
    with first.claim(digests[:6]) as mine, second.claim(digests[3:]) as theirs:
        assert mine.digests == tuple(digests[:6]) and mine.elsewhere == ()
        assert theirs.digests == tuple(digests[6:]) and theirs.elsewhere == tuple(digests[3:6])
    assert lease_files(tmp_path) == []


def test_what_is_written_is_not_claimed(tmp_path: Path, store: str) -> None:
    cache = FeatureCache.open(tmp_path, key_of(), store=store)
    other = FeatureCache.open(tmp_path, key_of(), store=store)
    digests = digests_of(4)
    with cache.claim(digests) as lease:
        cache.write_shard(lease.digests, rows_of(lease.digests))
    with other.claim(digests) as nothing:
        assert nothing.digests == () and nothing.elsewhere == ()


def test_a_lease_given_back_unused_can_be_claimed(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    digests = digests_of(4)
    cache.claim(digests).release()
    assert cache.claim(digests).digests == tuple(digests)


def _claim_and_hang(root: Path, digests: list[str], ready: multiprocessing.synchronize.Event) -> None:
    lease = FeatureCache.open(root, key_of()).claim(digests, ttl_seconds=3600)
    assert lease.digests
    ready.set()
    time.sleep(60)


def test_the_lease_of_a_killed_owner_expires_at_once_on_its_machine(tmp_path: Path) -> None:
    digests, ready = digests_of(4), FORK.Event()
    owner = FORK.Process(target=_claim_and_hang, args=(tmp_path, digests, ready))
    owner.start()
    assert ready.wait(30)
    cache = FeatureCache.open(tmp_path, key_of())
    assert cache.claim(digests).digests == ()
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join(30)
    assert cache.claim(digests).digests == tuple(digests)


def test_a_silent_owner_elsewhere_loses_its_lease_after_its_time(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    digests = digests_of(4)
    kept = cache.claim(digests, ttl_seconds=100)
    (path,) = lease_files(tmp_path)
    body = json.loads(path.read_text())
    body["owner"]["machine"] = "another machine"
    path.write_text(json.dumps(body))
    assert cache.claim(digests).digests == ()
    os.utime(path, (time.time() - 101,) * 2)
    assert cache.claim(digests).digests == tuple(digests)
    kept.release()


def test_a_living_owner_renews_its_lease(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    with cache.claim(digests_of(1), ttl_seconds=0.2):
        (path,) = lease_files(tmp_path)
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert path.stat().st_mtime > 0


def test_the_work_of_an_owner_who_dies_is_taken_over(tmp_path: Path) -> None:
    digests, ready = digests_of(4), FORK.Event()
    owner = FORK.Process(target=_claim_and_hang, args=(tmp_path, digests[:2], ready))
    owner.start()
    assert ready.wait(30)
    claims = FeatureCache.open(tmp_path, key_of()).claims(digests, poll_seconds=0.01)
    assert next(claims) == tuple(digests[2:])
    owner.kill()
    owner.join(30)
    assert list(claims) == [tuple(digests[:2])], "and what cannot be encoded is not offered again"


def test_a_torn_lease_file_belongs_to_nobody(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    cache.claim(digests_of(1)).release()
    (tmp_path / key_of().digest / "leases" / "0123.json").write_text('{"owner": ')
    assert cache.claim(digests_of(3)).digests == tuple(digests_of(3))
    assert LeaseBook(tmp_path / key_of().digest / "leases").live() == 1


def test_a_lease_without_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="ttl_seconds is 0"):
        FeatureCache.open(tmp_path, key_of()).claim(digests_of(1), ttl_seconds=0)


def _fill(root: Path, store: str, digests: list[str], encoded: multiprocessing.Queue[list[str]]) -> None:
    cache = FeatureCache.open(root, key_of(), store=store)
    mine: list[str] = []
    for start in range(0, len(digests), 16):
        for part in cache.claims(digests[start : start + 16], poll_seconds=0.002):
            mine += part
            time.sleep(0.002)  # encoding
            cache.write_shard(part, rows_of(part))
    assert cache.missing(digests) == [], "a job ends when all is there, whoever encoded it"
    encoded.put(mine)


@pytest.mark.parametrize("writers", [2, 4])
def test_concurrent_writers_encode_each_image_once_and_agree(tmp_path: Path, store: str, writers: int) -> None:
    digests, encoded = digests_of(400), FORK.Queue()
    processes = [FORK.Process(target=_fill, args=(tmp_path, store, digests, encoded)) for _ in range(writers)]
    for process in processes:
        process.start()
    done = [digest for _ in processes for digest in encoded.get(timeout=60)]
    for process in processes:
        process.join(30)
    assert sorted(done) == sorted(digests), "each image encoded by exactly one of the writers"
    reader = FeatureCache.open(tmp_path, key_of(), store=store).reader()
    assert len(reader) == 400
    assert (reader.take(reader.rows(digests)) == rows_of(digests).astype("float16")).all()
