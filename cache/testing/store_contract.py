"""What every store keeps: rows that go in come out, bit by bit, in any order, for any number of processes."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import DTYPES, CacheError, FeatureCache, MissingRowsError
from cache.rows import stored_dtype
from cache.testing.material import WIDTH, as_stored, digests_of, filled, key_of, rows_of

ELSEWHERE = """
import pickle, sys
cache_or_reader, digests = pickle.load(sys.stdin.buffer)
reader = cache_or_reader.reader() if hasattr(cache_or_reader, "reader") else cache_or_reader
sys.stdout.write(reader.take(reader.rows(digests)).tobytes().hex())
"""


class StoreContract:
    """Subclass it next to a fixture `store` that gives the store's name, see `cache.testing`."""

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_rows_come_back_bit_identical_in_order(self, tmp_path: Path, store: str, dtype: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(dtype), store=store)
        digests = digests_of(100)
        cache.write_shard(digests[:60], rows_of(digests[:60]))
        cache.write_shard(digests[60:], rows_of(digests[60:]))
        reader = cache.reader()
        asked = [digests[number] for number in np.random.default_rng(0).integers(0, 100, 250)]
        taken = reader.take(reader.rows(asked))
        assert taken.dtype == stored_dtype(dtype) and reader.dtype == dtype and len(reader) == 100
        np.testing.assert_array_equal(taken, as_stored(rows_of(asked), dtype))

    def test_missing_lists_what_nobody_wrote_in_order_and_once(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(6)
        assert cache.missing(digests) == digests
        cache.write_shard(digests[1:3], rows_of(digests[1:3]))
        assert cache.missing([digests[5], *digests, digests[5]]) == [digests[5], digests[0], digests[3], digests[4]]
        assert cache.missing([]) == []

    def test_writing_again_writes_nothing(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(10)
        first = cache.write_shard(digests[:6], rows_of(digests[:6]))
        again = cache.write_shard(digests[:6], rows_of(digests[:6]))
        overlapping = cache.write_shard(digests, rows_of(digests))
        assert (first.rows_written, first.rows_present) == (6, 0) and first.name
        assert (again.rows_written, again.rows_present, again.name) == (0, 6, None)
        assert (overlapping.rows_written, overlapping.rows_present) == (4, 6)
        assert len(cache.reader()) == 10

    def test_another_object_and_a_pickled_one_see_the_same(self, tmp_path: Path, store: str) -> None:
        writer = FeatureCache.open(tmp_path, key_of(), store=store)
        another = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(8)
        writer.write_shard(digests, rows_of(digests))
        assert another.missing(digests) == []
        assert pickle.loads(pickle.dumps(writer)).missing(digests) == []  # noqa: S301 - our own bytes

    @pytest.mark.parametrize("sent", ["cache", "reader"])
    def test_a_process_that_knows_nothing_gets_the_store_with_what_it_is_sent(
        self, tmp_path: Path, store: str, sent: str
    ) -> None:
        cache, digests = filled(tmp_path, store), digests_of(40)
        packed = pickle.dumps((cache if sent == "cache" else cache.reader(), digests))
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", ELSEWHERE]
        said = subprocess.run(command, input=packed, capture_output=True, check=True, env=os.environ | path).stdout
        assert said.decode() == as_stored(rows_of(digests), "float16").tobytes().hex()

    def test_a_relative_root_means_the_same_place_in_another_process(
        self, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        cache = FeatureCache.open("caches", key_of(), store=store)
        cache.write_shard(digests_of(3), rows_of(digests_of(3)))
        packed = pickle.dumps((cache, cache.reader()))
        monkeypatch.chdir(tmp_path / "elsewhere")
        sent, reader = pickle.loads(packed)  # noqa: S301 - our own bytes
        assert sent.missing(digests_of(3)) == [] and len(reader) == 3

    def test_row_numbers_hold_for_a_pickled_reader_though_others_write_on(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(30)
        cache.write_shard(digests[10:20], rows_of(digests[10:20]))
        reader = cache.reader()
        numbers, packed = reader.rows(digests[10:20]), pickle.dumps(reader)
        cache.write_shard(digests[:10], rows_of(digests[:10]))
        cache.compact(keep_replaced_seconds=3600)
        for old in (reader, pickle.loads(packed)):  # noqa: S301 - our own bytes
            np.testing.assert_array_equal(old.take(numbers), as_stored(rows_of(digests[10:20]), "float16"))

    def test_compaction_changes_no_bit(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(90)
        for start in range(0, 90, 9):
            cache.write_shard(digests[start : start + 9], rows_of(digests[start : start + 9]))
        before = cache.reader()
        info = cache.compact()
        after = cache.reader()
        assert info.shards_after <= info.shards_before and info.rows == len(after) == 90
        np.testing.assert_array_equal(before.take(before.rows(digests)), after.take(after.rows(digests)))
        cache.write_shard(digests_of(5, start=200), rows_of(digests_of(5, start=200)))
        assert len(cache.reader()) == 95

    def test_batches_give_every_image_once(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(50)
        for start in range(0, 50, 7):
            cache.write_shard(digests[start : start + 7], rows_of(digests[start : start + 7]))
        seen: dict[str, Any] = {}
        for names, values in cache.reader().batches(8):
            assert len(names) == len(values) <= 8
            seen |= {bytes(n).ljust(32, b"\0").hex(): value for n, value in zip(names, values, strict=True)}
        assert sorted(seen) == sorted(digests)
        np.testing.assert_array_equal([seen[d] for d in digests], as_stored(rows_of(digests), "float16"))

    def test_rows_of_unknown_images_are_an_error_that_counts_them(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(5)
        cache.write_shard(digests[:3], rows_of(digests[:3]))
        with pytest.raises(MissingRowsError, match=f"2 of 5 images.*{digests[3]}.*encode them first") as caught:
            cache.reader().rows(digests)
        assert caught.value.digests == tuple(digests[3:])

    @pytest.mark.parametrize("number", [-1, 3])
    def test_a_row_number_that_is_none_is_refused(self, tmp_path: Path, store: str, number: int) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        cache.write_shard(digests_of(3), rows_of(digests_of(3)))
        with pytest.raises(IndexError):
            cache.reader().take([0, number])

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
    def test_a_value_that_is_not_finite_as_stored_is_refused_by_name(
        self, tmp_path: Path, store: str, value: float
    ) -> None:
        cache = FeatureCache.open(tmp_path, key_of("float16"), store=store)
        digests, rows = digests_of(4), rows_of(digests_of(4))
        rows[2, 5] = value
        with pytest.raises(CacheError, match=digests[2]):
            cache.write_shard(digests, rows)
        assert cache.missing(digests) == digests, "a refused shard must leave nothing behind"

    def test_wrong_shapes_and_digests_are_refused(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(2)
        with pytest.raises(CacheError, match=re.escape(f"(2, {WIDTH + 1}); expected (2, {WIDTH})")):
            cache.write_shard(digests, np.zeros((2, WIDTH + 1), np.float32))
        with pytest.raises(CacheError, match="int64; expected float16 or float32"):
            cache.write_shard(digests, np.zeros((2, WIDTH), np.int64))
        with pytest.raises(CacheError, match="expected 64 hexadecimal digits"):
            cache.missing(["abc"])
        with pytest.raises(CacheError, match="64 hexadecimal digits"):
            cache.missing(["g" * 64])

    def test_one_image_with_two_rows_is_refused_and_a_repeated_row_is_not(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        digests = digests_of(1) * 2
        with pytest.raises(CacheError, match="given twice"):
            cache.write_shard(digests, rows_of(digests_of(2)))
        assert cache.write_shard(digests, rows_of(digests)).rows_written == 1

    def test_an_empty_cache_reads_as_empty(self, tmp_path: Path, store: str) -> None:
        cache = FeatureCache.open(tmp_path, key_of(), store=store)
        reader = cache.reader()
        assert len(reader) == 0 and reader.take([]).shape == (0, WIDTH) and list(reader.batches(5)) == []
        assert cache.write_shard([], np.zeros((0, WIDTH), np.float32)).rows_written == 0

    def test_a_matrix_has_the_rows_in_their_places_or_is_refused_with_advice(self, tmp_path: Path, store: str) -> None:
        cache, digests = filled(tmp_path, store), digests_of(40)
        cache.compact()
        reader = cache.reader()
        try:
            matrix = reader.matrix()
        except CacheError as error:
            assert re.search(r"compact|convert", str(error))
        else:
            assert not matrix.flags.writeable
            np.testing.assert_array_equal(matrix[reader.rows(digests)], reader.take(reader.rows(digests)))
