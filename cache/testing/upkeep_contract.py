"""What upkeep asks of every store: whatever happens to its files, no wrong row is read and no whole one is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cache import DTYPES, STORES, CacheError, DamagedShardError, FeatureCache
from cache.findings import RepairReport, VerifyReport
from cache.folder import TEMPORARY_PREFIX, LocalFolder
from cache.rows import sorted_rows
from cache.testing.material import as_stored, digests_of, filled, flip, key_of, rows_of
from cache.upkeep import conversion
from cache.upkeep.command_line import run
from cache.upkeep.conversion import convert
from cache.upkeep.listing import list_caches
from cache.upkeep.parquet import export_parquet, import_parquet
from cache.upkeep.recovery import recover_key_and_store
from cache.upkeep.repair import repair
from cache.upkeep.retention import collect_garbage
from cache.upkeep.verification import verify

DIGESTS = digests_of(40)


def check(cache: FeatureCache) -> VerifyReport:
    """What `verify` finds in a cache."""
    return verify(cache.folder, cache.key, cache.store_name)


def repaired(cache: FeatureCache) -> RepairReport:
    """What `repair` does to a cache."""
    assert isinstance(cache.folder, LocalFolder)
    return repair(cache.folder, cache.key, cache.store_name)


def reopened(cache: FeatureCache) -> FeatureCache:
    """The same cache, as the next job opens it."""
    return FeatureCache.open(cache.root, cache.key, store=cache.store_name)


def folder_of(cache: FeatureCache) -> Path:
    """The store's own folder."""
    return Path(cache.root) / cache.key.digest / cache.store_name


def expect_rows(cache: FeatureCache) -> None:
    """Every row is there, bit by bit."""
    reader = reopened(cache).reader()
    np.testing.assert_array_equal(reader.take(reader.rows(DIGESTS)), as_stored(rows_of(DIGESTS), cache.key.dtype))


def refill(cache: FeatureCache) -> int:
    """What the next encode does; returns how many rows it had to fill."""
    cache = reopened(cache)
    missing = cache.missing(DIGESTS)
    cache.write_shard(missing, rows_of(missing))
    return len(missing)


def killed_writer(cache: FeatureCache, first: int, seconds: float) -> int:
    """Kill a process so long after it wrote its first shard of 8 rows; returns how many it said were durable."""
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            for start in range(first, 4000, 8):
                digests = digests_of(8, start)
                reopened(cache).write_shard(digests, rows_of(digests))
                os.write(send, b".")
        finally:
            os._exit(0)
    os.close(send)
    said = os.read(receive, 1)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with os.fdopen(receive, "rb") as rest:
        return len(said + rest.read())


def flip_at(path: Path, share: float) -> None:
    """Flip a bit so far into a file."""
    flip(path, int((path.stat().st_size - 1) * share), 3)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 3),
    "a bit in the header": lambda path: flip_at(path, 0),
    "a bit among the first rows": lambda path: flip_at(path, 0.3),
    "a bit among the last rows": lambda path: flip_at(path, 0.9),
    "gone": Path.unlink,
}


class UpkeepContract:
    """Subclass it next to a fixture `store` that gives the store's name, see `cache.testing`.

    `locks` are names of the store's files that only say who is at work, apart from hidden ones.
    """

    locks: tuple[str, ...] = ()

    def files_of(self, cache: FeatureCache) -> list[Path]:
        """The store's files, less locks."""
        names = sorted(path.name for path in folder_of(cache).iterdir())
        return [folder_of(cache) / name for name in names if name not in self.locks and not name.startswith(".")]

    def test_a_sound_cache_is_sound_and_repair_leaves_it_alone(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        for _ in ("in many shards", "compacted"):
            report = check(cache)
            assert report.sound and report.rows == 40 and report.shards >= 1 and report.bytes_read > 0
            assert report.harmless == [] and "sound, 40 rows" in report.summary()
            assert repaired(cache).actions == []
            cache.compact()
        expect_rows(cache)

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_damage_of_any_file_is_found_and_repaired_or_does_no_harm(
        self, tmp_path: Path, store: str, damage: str
    ) -> None:
        cache = filled(tmp_path, store, 24)
        cache.compact()
        refill(cache)  # some rows are compacted, some are not
        cache.store.close()
        for path in self.files_of(cache):
            if path.exists():  # repair has put others in the place of some
                DAMAGES[damage](path)
            report = check(cache)
            if not report.sound:
                assert any(str(folder_of(cache)) in problem.path for problem in report.problems)
                done = repaired(cache)
                assert done.actions and done.left == [] and check(cache).sound
                refill(cache)
            expect_rows(cache)
            cache.store.close()

    def test_a_killed_writer_loses_nothing_that_it_finished(self, tmp_path: Path, store: str) -> None:
        cache, finished = FeatureCache.open(tmp_path, key_of(), store=store), 0
        for kill in range(4):
            finished += killed_writer(cache, 8 * finished, seconds=0.005 * kill)
            reader = reopened(cache).reader()
            assert 8 * finished <= len(reader) <= 8 * finished + 8 and len(reader) % 8 == 0
            finished = len(reader) // 8
        assert {problem.kind for problem in check(cache).problems} <= {"unlisted"}
        repaired(cache)
        digests = digests_of(8 * finished)
        reader = reopened(cache).reader()
        np.testing.assert_array_equal(reader.take(reader.rows(digests)), as_stored(rows_of(digests), "float16"))

    def test_a_changed_value_is_never_handed_out_and_costs_one_row(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        cache.store.close()
        row = as_stored(rows_of(DIGESTS[12:13]), "float16").tobytes()
        for path in folder_of(cache).iterdir():
            data = path.read_bytes()
            for copy in range(data.count(row)):
                places = [place for place in range(len(data)) if data.startswith(row, place)]
                flip(path, places[copy] + 9)
        with pytest.raises(DamagedShardError, match="`spg-dist cache repair"):
            expect_rows(cache)
        with pytest.raises(DamagedShardError):
            cache.compact()
        cache.store.close()
        report = repaired(cache)
        assert (report.rows_dropped, report.rows_kept > 0) == (1, True)
        assert check(cache).sound and refill(cache) == 1
        expect_rows(cache)

    def test_a_cache_whose_cache_json_is_lost_is_known_by_its_rows(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        (folder_of(cache).parent / "cache.json").unlink()
        assert recover_key_and_store(cache.folder, cache.key.digest) == (cache.key, store)
        assert run(["repair", cache.root, cache.key.digest]) == 0
        assert check(cache).sound
        expect_rows(cache)

    def test_what_is_not_the_stores_is_reported_and_left_alone(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        strangers = [folder_of(cache) / "notes.txt", folder_of(cache) / "my folder"]
        strangers[0].write_text("mine", encoding="utf-8")
        strangers[1].mkdir()
        expected = {("foreign", str(path)) for path in strangers}
        assert {(problem.kind, problem.path) for problem in check(cache).problems} == expected
        assert {(problem.kind, problem.path) for problem in repaired(cache).left} == expected
        collect_garbage(cache.root, timedelta(days=30), dry_run=False)
        assert strangers[0].read_text(encoding="utf-8") == "mine" and strangers[1].is_dir()

    def test_repair_does_not_run_while_a_job_writes(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        with cache.claim(digests_of(1, start=500)), pytest.raises(CacheError, match="1 leases are held"):
            repaired(cache)

    def test_ls_tells_rows_bytes_and_shards(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        FeatureCache.open(tmp_path, key_of(view="aug-1-0"), store=store)
        summaries = {summary.digest: summary for summary in list_caches(tmp_path)}
        summary = summaries[cache.key.digest]
        assert (summary.key, summary.store, summary.rows, summary.error) == (cache.key, store, 40, None)
        assert summary.shards >= 1 and summary.bytes_on_disk > 40 * 64
        (empty,) = (one for one in summaries.values() if one.digest != cache.key.digest)
        assert (empty.rows, empty.shards, empty.error) == (0, 0, None)

    def test_what_compaction_replaced_waits_and_is_deleted_in_its_time(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        cache.compact()
        (summary,) = list_caches(tmp_path)
        waiting = {one.path for one in summary.waiting}
        assert waiting <= set(map(str, self.files_of(cache))) and list(summary.waiting) == check(cache).waiting
        cache.compact(keep_replaced_seconds=0)
        assert not any(Path(path).exists() for path in waiting) and list_caches(tmp_path)[0].waiting == ()
        expect_rows(cache)

    def test_unfinished_writes_wait_and_are_deleted_in_their_time(self, tmp_path: Path, store: str) -> None:
        cache = filled(tmp_path, store)
        left = folder_of(cache) / f"{TEMPORARY_PREFIX}1-dead"
        left.write_bytes(b"x")
        assert check(cache).sound and [one.path for one in check(cache).waiting] == [str(left)]
        os.utime(left, (time.time() - 2 * 86400,) * 2)
        report = collect_garbage(tmp_path, timedelta(days=30), dry_run=False)
        assert [removal.path for removal in report.removed] == [str(left)] and not left.exists()

    def test_gc_removes_what_nobody_used_for_long(self, tmp_path: Path, store: str) -> None:
        old, new = filled(tmp_path, store), filled(tmp_path, store, view="aug-1-0")
        stamp = folder_of(old).parent / "last-used.txt"
        stamp.write_text((datetime.now(UTC) - timedelta(days=31)).isoformat(), encoding="utf-8")
        for dry_run in (True, False):
            report = collect_garbage(tmp_path, timedelta(days=30), dry_run=dry_run)
            assert [Path(removal.path).name for removal in report.removed] == [old.key.digest]
            assert report.bytes_freed > 0 and "31.0 days" in report.removed[0].reason
            assert folder_of(old).exists() == dry_run
        assert not list(tmp_path.glob(".tmp-*"))
        expect_rows(new)
        assert refill(old) == 40  # a job that begins now starts from nothing
        assert check(old).rows == 40
        expect_rows(old)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_conversion_to_every_other_store_and_back_changes_no_bit(
        self, tmp_path: Path, store: str, dtype: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversion, "BATCH_ROWS", 9)
        cache = filled(tmp_path, store, dtype=dtype)
        for other in (name for name in STORES.names() if name != store):
            info = convert(tmp_path, cache.key.digest, other)
            assert (info.before, info.after, info.rows) == (store, other, 40)
            assert not folder_of(cache).exists() and convert(tmp_path, cache.key.digest, other).before == other
            with pytest.raises(CacheError, match=f"kept as {other}, asked for as {store}"):
                cache.write_shard(digests_of(1, start=70), rows_of(digests_of(1, start=70)))
            expect_rows(FeatureCache.open(tmp_path, cache.key, store=other))
            assert convert(tmp_path, cache.key.digest, store).rows == 40
            assert check(cache).sound and check(cache).waiting == []
            expect_rows(cache)
            compacted = reopened(cache).compact()
            assert compacted.shards_before == compacted.shards_after, "a converted cache is in its fastest form"

    def test_a_conversion_that_was_cut_off_is_named_and_resumed(self, tmp_path: Path, store: str) -> None:
        other = next(name for name in STORES.names() if name != store)
        cache = filled(tmp_path, other)
        half = FeatureCache(tmp_path, cache.key, store)
        half.store.write(*sorted_rows(DIGESTS[:16], rows_of(DIGESTS[:16]), cache.key.dtype, cache.key.width))
        half.store.close()
        report = check(cache)
        assert report.sound and [problem.path for problem in report.harmless] == [str(folder_of(half))]
        assert "left by a conversion" in report.harmless[0].detail
        assert convert(tmp_path, cache.key.digest, store).rows == 40
        assert check(half).sound
        expect_rows(half)

    def test_export_and_import_give_the_same_cache(self, tmp_path: Path, store: str) -> None:
        cache, out = filled(tmp_path / "a", store), tmp_path / "out.parquet"
        assert export_parquet(cache, out) == 40
        copy, rows = import_parquet(out, tmp_path / "b", store)
        assert (rows, copy.key) == (40, cache.key) and import_parquet(out, tmp_path / "b", store)[1] == 0
        expect_rows(copy)

    def test_the_commands_work(self, tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
        cache, root, out = filled(tmp_path / "a", store), str(tmp_path / "a"), str(tmp_path / "out.parquet")
        digest = cache.key.digest
        for argv, said in [
            (["ls", root], f"{store} "),
            (["info", root, digest], f"store      {store}"),
            (["compact", root, digest], "40 rows"),
            (["verify", root], "sound, 40 rows"),
            (["repair", root, digest], "nothing to repair"),
            (["export", root, digest, out], "40 rows written"),
            (["import", str(tmp_path / "b"), out, "--store", store], "40 new rows"),
            (["verify", str(tmp_path / "b"), digest], "sound, 40 rows"),
        ]:
            assert run(argv) == 0, argv
            assert said in capsys.readouterr().out, argv
