"""Folders that may not be written, disks that are full, maps that must grow, processes that fork."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from child_process import give_up_roots_rights, in_child
from numpy.testing import assert_array_equal  # here: a child without rights cannot import

from cache import CacheError, DigestIndex, FeatureCache
from cache.folder import LocalFolder
from cache.lmdb import environment
from cache.lmdb.environment import LmdbFile
from cache.shards import reader as shard_reader
from cache.testing.material import WIDTH, digests_of, key_of, rows_of
from cache.upkeep.verification import verify

FORK = multiprocessing.get_context("fork")
DIGESTS = digests_of(40)


def make_read_only(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def read_all(root: Path, store: str, digests: list[str] = DIGESTS) -> None:
    reader = FeatureCache.open(root, key_of(), store=store).reader()
    assert_array_equal(reader.take(reader.rows(digests)), rows_of(digests).astype(np.float16))


def test_a_read_only_folder_reads_and_refuses_writes_by_name(tmp_path: Path, store: str) -> None:
    root = tmp_path / "caches"
    cache = FeatureCache.open(root, key_of(), store=store)
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    cache.reader().close()
    image = root / "image.jpg"
    image.write_bytes(b"image")
    (root / key_of().digest / "last-used.txt").unlink()
    make_read_only(root)

    def without_rights() -> None:
        give_up_roots_rights()
        read_all(root, store)
        other = FeatureCache.open(root, key_of(), store=store, provenance={"dataset": "another"})
        assert other.missing(DIGESTS) == []
        more = digests_of(3, start=300)
        assert other.missing(more) == more
        with pytest.raises(CacheError, match=r"ermission|ead-only|denied"):
            other.write_shard(more, rows_of(more))
        assert DigestIndex(root).digest_files([image]).failed == {}

    in_child(without_rights)


def test_a_root_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path, store: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="file"):
        FeatureCache.open(tmp_path / "file" / "caches", key_of(), store=store)


def test_a_full_disk_is_an_error_and_the_same_command_goes_on_afterwards(tmp_path: Path, store: str) -> None:
    root = tmp_path
    cache = FeatureCache.open(root, key_of(width=512), store=store)
    cache.write_shard(DIGESTS[:4], rows_of(DIGESTS[:4], 512))
    cache.reader().close()
    big = digests_of(2000, start=1000)

    def with_a_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        limited = FeatureCache.open(root, key_of(width=512), store=store)
        with pytest.raises(CacheError, match=r"too large|safe"):
            limited.write_shard(big, np.zeros((2000, 512), np.float32))
        assert len(limited.missing(big)) == 2000, "all or nothing"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert limited.write_shard(big, np.zeros((2000, 512), np.float32)).rows_written == 2000

    in_child(with_a_limit)
    again = FeatureCache.open(root, key_of(width=512), store=store)
    assert len(again.reader()) == 2004
    assert not list(root.rglob(".tmp-*")), "a failed write leaves no file behind"
    assert verify(LocalFolder(root / again.key.digest), again.key, store).sound


class TestLmdb:
    def test_the_map_grows_and_other_processes_follow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(environment, "FIRST_MAP_BYTES", 1 << 17)
        key = key_of(width=512)
        more, begin = digests_of(3000, start=100), FORK.Event()

        def grow() -> None:
            assert begin.wait(30)
            theirs = FeatureCache.open(tmp_path, key, store="lmdb")
            for start in range(0, 3000, 500):
                theirs.write_shard(more[start : start + 500], rows_of(more[start : start + 500], 512))

        # Forked before this process opens the store, which is to stay open while the other one lets it grow.
        other = FORK.Process(target=grow)
        other.start()
        cache = FeatureCache.open(tmp_path, key, store="lmdb")
        cache.write_shard(DIGESTS[:2], rows_of(DIGESTS[:2], 512))
        reader = cache.reader()
        begin.set()
        other.join(60)
        assert other.exitcode == 0
        assert_array_equal(reader.take(reader.rows(more)), rows_of(more, 512).astype(np.float16))
        assert cache.write_shard(DIGESTS, rows_of(DIGESTS, 512)).rows_written == 38
        assert (tmp_path / key.digest / "lmdb" / "data.mdb").stat().st_size > 1 << 20

    def test_a_fork_in_the_middle_of_use_is_safe(self, tmp_path: Path) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        cache.write_shard(DIGESTS, rows_of(DIGESTS))
        reader = cache.reader()
        numbers = reader.rows(DIGESTS)

        def child() -> None:
            assert len(reader.take(numbers)) == 40
            cache.write_shard(digests_of(5, start=100), rows_of(digests_of(5, start=100)))

        for _ in range(3):
            in_child(child)
            assert len(reader.take(numbers)) == 40
        assert len(reader) == 45

    def test_one_store_opened_twice_in_a_process_is_one_environment(self, tmp_path: Path) -> None:
        first = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        (tmp_path / "link").symlink_to(tmp_path / key_of().digest)
        first.write_shard(DIGESTS, rows_of(DIGESTS))
        second = LmdbFile(tmp_path / "link" / "lmdb", "")
        with second.reading() as (transaction, rows_db, _):
            assert transaction.stat(rows_db)["entries"] == 40

    def test_rows_are_copies_that_outlive_the_transaction(self, tmp_path: Path) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        cache.write_shard(DIGESTS, rows_of(DIGESTS))
        reader = cache.reader()
        taken = reader.take([3])
        reader.close()
        assert taken.flags.owndata and taken.flags.writeable and taken.shape == (1, WIDTH)


def test_more_shards_than_file_descriptors_can_be_read(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    digests = digests_of(120)
    for digest in digests:
        cache.write_shard([digest], rows_of([digest]))

    def with_few_descriptors() -> None:
        in_use = len(list(Path("/proc/self/fd").iterdir()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 60, in_use + 60))
        read_all(tmp_path, "arrow", digests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_reader, "OPEN_SHARDS", 20)
        in_child(with_few_descriptors)
