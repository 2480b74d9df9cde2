"""Listing, removal, conversion, Parquet and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cache import DTYPES, CacheError, DamagedShardError, FeatureCache
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.command_line import run, time_span
from cache.upkeep.conversion import convert
from cache.upkeep.listing import find_cache, list_caches
from cache.upkeep.parquet import export_parquet, import_parquet
from cache.upkeep.retention import collect_garbage

DIGESTS = digests_of(40)
REPOSITORY = Path(__file__).resolve().parents[2]


def filled(root: Path, store: str = "arrow", **fields: str) -> FeatureCache:
    cache = FeatureCache.open(root, key_of(**fields), store=store, provenance={"dataset": "pacs", "images": 40})
    for start in range(0, 40, 8):
        cache.write_shard(DIGESTS[start : start + 8], rows_of(DIGESTS[start : start + 8]))
    return cache


def all_bytes(cache: FeatureCache) -> bytes:
    reader = cache.reader()
    return reader.take(reader.rows(DIGESTS)).tobytes()


def last_used_days_ago(cache: FeatureCache, days: float) -> None:
    stamp = Path(cache.root) / cache.key.digest / "last-used.txt"
    stamp.write_text((datetime.now(UTC) - timedelta(days=days)).isoformat())


class TestListing:
    def test_each_cache_is_listed_with_sizes_and_provenance(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        FeatureCache.open(tmp_path, key_of(), store=store, provenance={"dataset": "vlcs"})
        FeatureCache.open(tmp_path, key_of(), store=store, provenance={"dataset": "vlcs"})
        filled(tmp_path, store, view="aug-1-0")
        (tmp_path / "something else").mkdir()
        summary = next(summary for summary in list_caches(tmp_path) if summary.digest == cache.key.digest)
        assert len(list_caches(tmp_path)) == 2
        assert (summary.key, summary.store, summary.rows, summary.error) == (cache.key, store, 40, None)
        assert summary.bytes_on_disk > 40 * 32 and summary.last_used is not None
        assert sorted(note["provenance"]["dataset"] for note in summary.provenance) == ["pacs", "vlcs"]
        assert {"numpy", "pyarrow", "lmdb", "python"} == {name for name, _ in summary.versions}

    def test_a_damaged_cache_is_listed_with_its_error(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        identity = tmp_path / cache.key.digest / "cache.json"
        identity.write_text(identity.read_text().replace("bicubic", "bilinear"))
        (summary,) = list_caches(tmp_path)
        assert summary.error and "fails its own checksum" in summary.error

    def test_a_prefix_that_is_none_or_several_is_refused(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        filled(tmp_path, view="aug-1-0")
        assert find_cache(tmp_path, cache.key.digest[:9]) == cache.key.digest
        with pytest.raises(CacheError, match=r"no cache begins with 'zz'.*there are"):
            find_cache(tmp_path, "zz")
        with pytest.raises(CacheError, match="2 caches begin with ''"):
            find_cache(tmp_path, "")


class TestGarbageCollection:
    def test_a_cache_in_use_stays(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        last_used_days_ago(cache, 99)
        with cache.claim(digests_of(1, start=900)):
            report = collect_garbage(tmp_path, timedelta(0), dry_run=False)
        assert report.removed == [] and "leases" in report.kept[0][1]

    def test_what_is_no_cache_or_cannot_be_read_stays(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        (tmp_path / cache.key.digest / "cache.json").write_text("{")
        (tmp_path / ("f" * 32)).mkdir()
        (tmp_path / "my notes").mkdir()
        report = collect_garbage(tmp_path, timedelta(0), dry_run=False)
        assert report.removed == [] and len(report.kept) == 2
        assert len(list(tmp_path.iterdir())) == 3

    def test_leftovers_of_dead_writers_and_old_compactions_go(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        cache.compact()
        arrow = tmp_path / cache.key.digest / "arrow"
        stale, fresh = arrow / ".tmp-1-dead", arrow / ".tmp-2-alive"
        for path in (stale, fresh):
            path.write_bytes(b"x")
        os.utime(stale, (time.time() - 2 * 86400,) * 2)
        report = collect_garbage(tmp_path, timedelta(days=30), dry_run=False)
        assert [removal.path for removal in report.removed] == [str(stale)]
        assert fresh.exists() and len(list(arrow.glob("*.arrow"))) == 6
        cache.compact(keep_replaced_seconds=0)
        assert len(list(arrow.glob("*.arrow"))) == 1 and len(cache.reader()) == 40

    def test_leftovers_of_dead_writers_go_from_every_folder(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        folder = tmp_path / cache.key.digest
        stale = [folder / ".tmp-1-dead", folder / store / ".tmp-1-dead"]
        for path in stale:
            path.write_bytes(b"x")
            os.utime(path, (time.time() - 2 * 86400,) * 2)
        report = collect_garbage(tmp_path, timedelta(days=30), dry_run=False)
        assert [removal.path for removal in report.removed] == [str(path) for path in stale]

    def test_a_damaged_cache_in_use_stays_whole_and_the_others_are_seen_to(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        next((tmp_path / cache.key.digest / "arrow").glob("*.json")).write_bytes(b"")
        old = filled(tmp_path, view="aug-1-0")
        last_used_days_ago(old, 31)
        report = collect_garbage(tmp_path, timedelta(days=30), dry_run=False)
        assert [Path(removal.path).name for removal in report.removed] == [old.key.digest]
        assert any("it is damaged" in reason for _, reason in report.kept)

    def test_a_negative_time_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CacheError, match="zero or more"):
            collect_garbage(tmp_path, timedelta(days=-1), dry_run=True)


class TestConversion:
    def test_a_cache_being_written_or_damaged_is_not_converted(self, tmp_path: Path) -> None:
        cache = filled(tmp_path)
        with cache.claim(digests_of(1, start=900)), pytest.raises(CacheError, match="leases are held"):
            convert(tmp_path, cache.key.digest, "lmdb")
        next((tmp_path / cache.key.digest / "arrow").glob("*.arrow")).unlink()
        with pytest.raises(DamagedShardError, match="is missing"):
            convert(tmp_path, cache.key.digest, "lmdb")
        assert list_caches(tmp_path)[0].store == "arrow"


class TestParquet:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_export_and_import_give_the_same_cache(self, tmp_path: Path, store: str, dtype: str) -> None:
        cache = filled(tmp_path / "a", store, dtype=dtype)
        assert export_parquet(cache, tmp_path / "out.parquet") == 40
        other: str = "lmdb" if store == "arrow" else "arrow"
        copy, rows = import_parquet(tmp_path / "out.parquet", tmp_path / "b", other)
        assert rows == 40 and copy.key == cache.key
        assert all_bytes(copy) == all_bytes(cache)
        assert import_parquet(tmp_path / "out.parquet", tmp_path / "b", other)[1] == 0

    def test_another_program_reads_the_export(self, tmp_path: Path) -> None:
        export_parquet(filled(tmp_path), tmp_path / "out.parquet")
        table = pq.read_table(tmp_path / "out.parquet")
        by_digest = dict(zip([d.hex() for d in table["digest"].to_pylist()], table["feature"].to_pylist(), strict=True))
        np.testing.assert_array_equal(
            np.array([by_digest[digest] for digest in DIGESTS], np.float16), rows_of(DIGESTS).astype(np.float16)
        )

    def test_what_is_no_export_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
        with pytest.raises(CacheError, match="no Parquet export"):
            import_parquet(tmp_path / "x.parquet", tmp_path / "root")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "y.parquet")
        with pytest.raises(CacheError, match="no Parquet export"):
            import_parquet(tmp_path / "y.parquet", tmp_path / "root")

    def test_a_changed_row_in_an_export_is_refused(self, tmp_path: Path) -> None:
        cache = filled(tmp_path / "a")
        export_parquet(cache, tmp_path / "out.parquet")
        data = bytearray((tmp_path / "out.parquet").read_bytes())
        place = data.index(rows_of(DIGESTS[7:8]).astype(np.float16).tobytes()[:8])
        data[place] ^= 1
        (tmp_path / "out.parquet").write_bytes(data)
        with pytest.raises(DamagedShardError, match=f"1 rows fail.*{DIGESTS[7]}"):
            import_parquet(tmp_path / "out.parquet", tmp_path / "b")
        assert not (tmp_path / "b").exists()


class TestCommandLine:
    def test_the_whole_round_of_commands(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root, cache = str(tmp_path / "root"), filled(tmp_path / "root")
        digest, out = cache.key.digest, str(tmp_path / "out.parquet")
        for argv, expected in [
            (["ls", root], "1 cache,"),
            (["info", root, digest[:6]], '"dataset": "pacs"'),
            (["compact", root, digest], "5 shards became 1; 40 rows"),
            (["verify", root], "sound, 40 rows in 1 shards"),
            (["export", root, digest, out], "40 rows written"),
            (["convert", root, digest, "--to", "lmdb"], "arrow became lmdb"),
            (["verify", root, digest[:6]], "sound, 40 rows"),
            (["repair", root, digest], "nothing to repair"),
            (["gc", root, "--keep-used-within", "30d", "--dry-run"], "would be freed"),
            (["import", str(tmp_path / "other"), out], "40 new rows"),
        ]:
            assert run(argv) == 0, argv
            assert expected in capsys.readouterr().out, argv

    def test_damage_gives_status_1_and_the_command_that_mends_it_does(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cache = filled(tmp_path)
        path = next((tmp_path / cache.key.digest / "arrow").glob("*.arrow"))
        path.write_bytes(path.read_bytes()[:-1])
        (tmp_path / cache.key.digest / "cache.json").unlink()
        assert run(["verify", str(tmp_path)]) == 1
        said = capsys.readouterr().out
        command = said.split("`")[1].split()
        assert command[:3] == ["spg-dist", "cache", "repair"] and "truncated" in said and "identity" in said
        assert run(command[2:]) == 0
        assert run(["verify", str(tmp_path)]) == 0
        assert run(["ls", str(tmp_path)]) == 0

    def test_a_root_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        for argv in (["ls"], ["verify"], ["gc", "--keep-used-within", "1d"]):
            with pytest.raises(CacheError, match="there is no cache root"):
                run([argv[0], str(tmp_path / "nowhere"), *argv[1:]])

    def test_foreign_files_are_not_said_to_need_repair(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cache = filled(tmp_path)
        (tmp_path / cache.key.digest / "notes.txt").write_text("mine")
        assert run(["verify", str(tmp_path)]) == 1
        said = capsys.readouterr().out
        assert "foreign" in said and "move them away" in said and "cache repair" not in said

    def test_errors_end_with_status_2_and_one_line(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "cache", "info", str(tmp_path), "abc"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no cache begins with 'abc'" in done.stderr

    @pytest.mark.parametrize("text, seconds", [("30d", 2592000), ("12h", 43200), ("1.5m", 90), ("2w", 1209600)])
    def test_spans_of_time(self, text: str, seconds: int) -> None:
        assert time_span(text).total_seconds() == seconds

    def test_a_bad_span_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            run(["gc", "x", "--keep-used-within", "soon"])
        assert caught.value.code == 2 and "expected a number and one of s m h d w" in capsys.readouterr().err
