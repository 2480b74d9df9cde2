"""The seal over an LMDB store's pages: any changed bit is found, and a damaged page costs the rows in it alone."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_process import in_child
from xxhash import xxh3_64_intdigest

from cache import CacheError, DamagedShardError, FeatureCache
from cache.findings import VerifyReport
from cache.folder import LocalFolder
from cache.lmdb import environment, pages
from cache.lmdb.environment import LmdbFile
from cache.lmdb.pages import PAGE_BYTES, changed_pages
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.recovery import recover_key_and_store
from cache.upkeep.repair import repair
from cache.upkeep.verification import verify

DIGESTS = digests_of(120)


def filled(root: Path, width: int = 16, **fields: str) -> Path:
    """A store of four shards; returns its folder."""
    cache = FeatureCache.open(root, key_of(width=width, **fields), store="lmdb")
    for start in range(0, 120, 30):
        cache.write_shard(DIGESTS[start : start + 30], rows_of(DIGESTS[start : start + 30], width))
    store = root / cache.key.digest / "lmdb"
    LmdbFile(store, "").close()
    return store


def check(store: Path, width: int = 16) -> VerifyReport:
    return verify(LocalFolder(store.parent), key_of(width=width), "lmdb")


def mend(store: Path, width: int = 16) -> int:
    """Repair, and hold what is left against what was written; returns how many rows are lost."""
    repair(LocalFolder(store.parent), key_of(width=width), "lmdb")
    assert check(store, width).sound
    cache = FeatureCache.open(store.parent.parent, key_of(width=width), store="lmdb")
    missing = cache.missing(DIGESTS)
    cache.write_shard(missing, rows_of(missing, width))
    reader = cache.reader()
    np.testing.assert_array_equal(reader.take(reader.rows(DIGESTS)), rows_of(DIGESTS, width).astype(np.float16))
    assert check(store, width).sound
    return len(missing)


def overwrite(store: Path, place: int, data: bytes) -> None:
    LmdbFile(store, "").close()
    with (store / "data.mdb").open("r+b") as file:
        file.seek(place)
        file.write(data)


def flip(store: Path, place: int, bit: int = 0) -> None:
    overwrite(store, place, bytes([(store / "data.mdb").read_bytes()[place] ^ 1 << bit]))


def tampered(store: Path, change: Callable[[Any, Any, Any], None]) -> None:
    """Change the store as LMDB would, and take the seal away, as a writer that was killed."""
    LmdbFile(store, "").writing(change)
    LmdbFile(store, "").close()
    (store / "pages.xxh3").unlink()


def row_bytes(digest: str, width: int) -> bytes:
    return bytes.fromhex(digest) + rows_of([digest], width).astype(np.float16).tobytes()


def test_a_flip_of_any_byte_names_its_page(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert changed_pages(store) == []
    for place in range(0, (store / "data.mdb").stat().st_size, 61):
        flip(store, place, place % 8)
        assert changed_pages(store) == [place // PAGE_BYTES], f"byte {place}"
        flip(store, place, place % 8)
    assert check(store).sound


def test_a_flip_in_unused_space_is_found_by_verify_and_costs_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    unused = (store / "data.mdb").read_bytes().index(bytes(64))
    flip(store, unused + 20)
    (problem,) = check(store).problems
    assert problem.kind == "damaged" and problem.rows_lost == 0
    assert f"1 pages of 4096 bytes are not as they were written: {unused // PAGE_BYTES}" in problem.detail
    assert mend(store) == 0


@pytest.mark.parametrize("width", [16, 1500], ids=["many rows in a page", "a row in a page of its own"])
def test_repair_keeps_every_row_that_the_file_still_holds(tmp_path: Path, width: int) -> None:
    original = filled(tmp_path / "original", width)
    data, lost = (original / "data.mdb").read_bytes(), 0
    only = [row_bytes(digest, width) for digest in DIGESTS if data.count(row_bytes(digest, width)) == 1]
    for page in {0, data.index(only[0]) // PAGE_BYTES, data.index(only[-1]) // PAGE_BYTES}:
        root = tmp_path / str(page)
        shutil.copytree(tmp_path / "original", root)
        store = root / original.relative_to(tmp_path / "original")
        overwrite(store, page * PAGE_BYTES, os.urandom(PAGE_BYTES))
        there = (store / "data.mdb").read_bytes()
        gone = sum(row_bytes(digest, width) not in there for digest in DIGESTS)
        assert mend(store, width) == gone, f"page {page}"
        lost += gone
    assert 0 < lost < len(DIGESTS)


@pytest.mark.parametrize("width", [16, 1500])
def test_damaged_page_headers_cost_no_row(tmp_path: Path, width: int) -> None:
    store = filled(tmp_path, width)
    for page in range((store / "data.mdb").stat().st_size // PAGE_BYTES):
        overwrite(store, page * PAGE_BYTES, os.urandom(16))
    assert not check(store, width).sound
    assert mend(store, width) == 0


def test_the_key_is_found_without_lmdb_when_cache_json_is_lost_too(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (store.parent / "cache.json").unlink()
    for page in range((store / "data.mdb").stat().st_size // PAGE_BYTES):
        overwrite(store, page * PAGE_BYTES, os.urandom(16))
    assert recover_key_and_store(LocalFolder(store.parent), key_of().digest) == (key_of(), "lmdb")
    assert mend(store) == 0


def test_nothing_is_written_to_a_damaged_store_so_no_new_seal_hides_it(tmp_path: Path) -> None:
    store = filled(tmp_path)
    cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
    assert len(cache.reader()) == 120  # it is open now
    place = (store / "data.mdb").read_bytes().index(bytes(64))
    with (store / "data.mdb").open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    with pytest.raises(DamagedShardError, match=r"1 pages.*`spg-dist cache repair"):
        cache.write_shard(digests_of(1, start=500), rows_of(digests_of(1, start=500)))
    assert changed_pages(store) == [place // PAGE_BYTES]


def test_a_damaged_or_cut_store_is_an_error_when_opened_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    damages = [lambda data: data[: len(data) // 2], lambda data: data[:9000] + b"x" + data[9001:]]
    for number, damage in enumerate(damages):
        store = filled(tmp_path / str(number))
        (store / "data.mdb").write_bytes(damage((store / "data.mdb").read_bytes()))
        with pytest.raises(DamagedShardError, match=r"not as they were written.*`spg-dist cache repair"):
            FeatureCache.open(tmp_path / str(number), key_of(), store="lmdb").missing(DIGESTS)
        mend(store)


def test_a_large_store_that_was_cut_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    monkeypatch.setattr(pages, "QUICK_BYTES", 0)
    (store / "data.mdb").write_bytes((store / "data.mdb").read_bytes()[:-5000])
    with pytest.raises(DamagedShardError, match=r"has been cut.*`spg-dist cache repair"):
        FeatureCache.open(tmp_path, key_of(), store="lmdb").missing(DIGESTS)


class TestWithoutASeal:
    def test_a_writer_killed_before_its_seal_leaves_a_sound_store_that_the_next_one_seals(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        more = digests_of(10, start=500)

        def killed() -> None:
            environment.seal_pages = lambda store: os.kill(os.getpid(), signal.SIGKILL)
            FeatureCache.open(tmp_path, key_of(), store="lmdb").write_shard(more, rows_of(more))

        in_child(killed)
        report = check(store)
        assert report.sound and report.unsealed and report.rows == 130 and "cache compact" in report.summary()
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        cache.write_shard(digests_of(1, start=900), rows_of(digests_of(1, start=900)))
        assert changed_pages(store) == [] and not check(store).unsealed

    def test_compaction_seals_what_it_has_checked(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        (store / "pages.xxh3").unlink()
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        assert cache.compact().rows == 120 and changed_pages(store) == []
        tampered(store, lambda transaction, rows, index: transaction.delete(bytes.fromhex(DIGESTS[3]), db=index))
        with pytest.raises(DamagedShardError, match=r"does not lead to a row.*`spg-dist cache repair"):
            cache.compact()
        assert mend(store) == 0

    def test_a_full_disk_at_the_seal_costs_the_seal_and_not_the_rows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def full(store: Path) -> None:
            raise CacheError("cannot write pages.xxh3: No space left on device")

        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(environment, "seal_pages", full)
            store = filled(tmp_path)
        assert "No space left" in caplog.text and check(store).rows == 120 and check(store).unsealed

    def test_a_large_store_is_not_read_for_every_shard(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pages, "QUICK_BYTES", 0)
        cache, sealed = FeatureCache.open(tmp_path, key_of(), store="lmdb"), 0
        for digest in digests_of(200):
            cache.write_shard([digest], rows_of([digest]))
            sealed += changed_pages(tmp_path / cache.key.digest / "lmdb") == []
        assert 5 < sealed < 100
        cache.compact()
        assert changed_pages(tmp_path / cache.key.digest / "lmdb") == []

    def test_counts_that_were_made_huge_do_not_hold_verify_up(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        tampered(store, lambda transaction, rows, index: transaction.put(b"next row", struct.pack(">Q", 1 << 60)))
        (problem,) = check(store).problems
        assert "1152921504606846976 rows were written; there are 120" in problem.detail
        assert mend(store) == 0


class TestMixedUp:
    def test_an_index_that_leads_astray_gives_no_wrong_row(self, tmp_path: Path) -> None:
        store = filled(tmp_path)

        def astray(transaction: Any, rows: Any, index: Any) -> None:
            other = bytes(transaction.get(bytes.fromhex(DIGESTS[8]), db=index))
            transaction.put(bytes.fromhex(DIGESTS[7]), other, db=index)

        tampered(store, astray)
        with pytest.raises(DamagedShardError, match=f"leads 1 images astray.*{DIGESTS[7]}.*cache repair"):
            FeatureCache.open(tmp_path, key_of(), store="lmdb").reader().rows(DIGESTS)
        assert "the index does not lead to a row" in check(store).problems[0].detail
        assert mend(store) == 0

    def test_the_store_of_another_cache_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        store, other = filled(tmp_path), filled(tmp_path, transform="other")
        for name in ("data.mdb", "pages.xxh3"):
            shutil.copy(other / name, store / name)
        with pytest.raises(CacheError, match=r"is of another cache.*other"):
            FeatureCache.open(tmp_path, key_of(), store="lmdb").missing(DIGESTS)
        (problem,) = check(store).problems
        assert problem.kind == "foreign" and "other" in problem.detail
        repair(LocalFolder(store.parent), key_of(), "lmdb")
        assert (store / "data.mdb").read_bytes() == (other / "data.mdb").read_bytes()

    def test_an_older_file_put_back_is_found(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        older = (store / "data.mdb").read_bytes()
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        cache.write_shard(digests_of(9, start=500), rows_of(digests_of(9, start=500)))
        cache.reader().close()
        (store / "data.mdb").write_bytes(older)
        assert [problem.kind for problem in check(store).problems] == ["damaged"]
        assert mend(store) == 0

    def test_a_file_that_is_gone_and_one_that_is_too_much_are_found(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        (store / "data.mdb").unlink()
        (store / "notes.txt").write_text("mine")
        assert [problem.kind for problem in check(store).problems] == ["missing", "foreign"]
        repair(LocalFolder(store.parent), key_of(), "lmdb")
        assert [problem.kind for problem in check(store).problems] == ["foreign"]

    def test_the_seal_damaged_is_damage_and_costs_nothing(self, tmp_path: Path) -> None:
        store = filled(tmp_path)
        (store / "pages.xxh3").write_bytes((store / "pages.xxh3").read_bytes()[:-3])
        assert "pages.xxh3 fails its own checksum" in check(store).problems[0].detail
        assert mend(store) == 0


def test_verify_beside_a_writer_raises_no_false_alarm(tmp_path: Path) -> None:
    store = filled(tmp_path)

    def write_on() -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
        for digest in digests_of(150, start=1000):
            cache.write_shard([digest], rows_of([digest]))

    writers = [multiprocessing.get_context("fork").Process(target=write_on) for _ in range(2)]
    for writer in writers:
        writer.start()
    looks = 0
    while any(writer.is_alive() for writer in writers):
        assert not changed_pages(store)
        looks += 1
    assert looks > 10 and [writer.exitcode for writer in writers] == [0, 0]
    assert (report := check(store)).sound and report.rows == 270 and not report.unsealed


def test_the_seal_is_as_documented(tmp_path: Path) -> None:
    store = filled(tmp_path)
    data, seal = (store / "data.mdb").read_bytes(), (store / "pages.xxh3").read_bytes()
    expected = [xxh3_64_intdigest(data[start : start + 4096]) for start in range(0, len(data), 4096)]
    assert np.frombuffer(seal[:-8], "<u8").tolist() == expected
    assert int.from_bytes(seal[-8:], "little") == xxh3_64_intdigest(seal[:-8])
