"""Fills a cache on a disk of 2 MiB that the caller has mounted: `python full_disk_program.py <folder> <store>`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from blake3 import blake3

from cache import CacheError, FeatureCache, FeatureKey
from cache.folder import LocalFolder
from cache.upkeep.verification import verify

KEY = FeatureKey(backbone="b", transform="t", dtype="float16", width=512)


def digests(start: int, count: int) -> list[str]:
    return [blake3(str(number).encode()).hexdigest() for number in range(start, start + count)]


def rows(names: list[str]) -> np.ndarray:
    return np.array([np.full(512, int(name[:2], 16)) for name in names], dtype=np.float16)


def main(root: Path, store: str) -> None:
    ballast = root / "ballast"
    ballast.write_bytes(bytes(700_000))
    cache = FeatureCache.open(root / "caches", KEY, store="lmdb" if store == "lmdb" else "arrow")
    whole = digests(0, 50)
    cache.write_shard(whole, rows(whole))
    too_much = digests(10_000, 4000)
    expect_full(cache, too_much)
    assert cache.missing(too_much) == too_much, "all or nothing"
    while True:  # and to the last block, by small shards
        part = digests(len(whole), 50)
        if not wrote(cache, part):
            break
        whole += part
    expect_whole(cache, whole, store)
    ballast.unlink()
    assert wrote(cache, part), "the same command goes on when there is room again"
    expect_whole(cache, whole + part, store)
    print(f"{len(whole)} rows fitted")


def expect_full(cache: FeatureCache, names: list[str]) -> None:
    try:
        cache.write_shard(names, rows(names))
    except CacheError as error:
        assert "No space left on device" in str(error) and "safe" in str(error), error
    else:
        raise AssertionError("4 MB were written to a disk of 2")


def wrote(cache: FeatureCache, names: list[str]) -> bool:
    try:
        cache.write_shard(names, rows(names))
    except CacheError as error:
        assert "No space left on device" in str(error), error
        return False
    return True


def expect_whole(cache: FeatureCache, names: list[str], store: str) -> None:
    again = FeatureCache.open(cache.root, KEY, store=cache.store_name)
    reader = again.reader()
    assert len(reader) == len(names), f"{len(reader)} rows, {len(names)} were finished"
    np.testing.assert_array_equal(reader.take(reader.rows(names)), rows(names))
    report = verify(LocalFolder(Path(cache.root) / KEY.digest), KEY, store)
    kinds = {problem.kind for problem in report.problems}
    assert kinds <= {"unlisted"}, report.problems  # data for which there was room, and none for its entry
    assert not list(Path(cache.root).rglob(".tmp-*")), "a failed write leaves no file behind"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
