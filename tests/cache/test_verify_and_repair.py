"""Damage of every kind is found, named with its cure, and repaired at the cost of just the damaged rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cache import DamagedShardError, FeatureCache
from cache.findings import RepairReport, VerifyReport
from cache.folder import LocalFolder
from cache.lmdb.environment import LmdbFile
from cache.shards.entry import ShardEntry
from cache.testing.material import WIDTH, digests_of, flip, key_of, rows_of
from cache.upkeep.repair import repair
from cache.upkeep.verification import verify

DIGESTS = digests_of(30)


def filled(root: Path, store: str = "arrow") -> Path:
    """A cache of three shards of ten rows; returns its folder."""
    cache = FeatureCache.open(root, key_of(), store=store, provenance={"dataset": "pacs"})
    for start in (0, 10, 20):
        cache.write_shard(DIGESTS[start : start + 10], rows_of(DIGESTS[start : start + 10]))
    cache.reader().close()
    return root / key_of().digest


def check(folder: Path, store: str = "arrow") -> VerifyReport:
    return verify(LocalFolder(folder), key_of(), store)


def repaired(folder: Path, store: str = "arrow") -> RepairReport:
    return repair(LocalFolder(folder), key_of(), store)


def some_shard(folder: Path) -> tuple[Path, ShardEntry]:
    entry_file = sorted((folder / "arrow").glob("*.json"))[1]
    return entry_file.with_suffix(".arrow"), ShardEntry.from_json(entry_file.read_bytes(), str(entry_file))


def read_all(root: Path, store: str = "arrow") -> None:
    reader = FeatureCache.open(root, key_of(), store=store).reader()
    np.testing.assert_array_equal(reader.take(reader.rows(DIGESTS)), rows_of(DIGESTS).astype(np.float16))


def refill_and_compare(root: Path, store: str = "arrow") -> int:
    """What the next encode does; returns how many rows it had to fill."""
    cache = FeatureCache.open(root, key_of(), store=store)
    missing = cache.missing(DIGESTS)
    cache.write_shard(missing, rows_of(missing))
    read_all(root, store)
    return len(missing)


def test_every_single_byte_of_a_shard_is_guarded(tmp_path: Path) -> None:
    FeatureCache.open(tmp_path, key_of()).write_shard(DIGESTS[:3], rows_of(DIGESTS[:3]))
    folder = tmp_path / key_of().digest
    (path,) = (folder / "arrow").glob("*.arrow")
    for byte in range(path.stat().st_size):
        flip(path, byte, byte % 8)
        problems = check(folder).problems
        assert [(p.kind, p.path) for p in problems] == [("damaged", str(path))], f"byte {byte}"
        flip(path, byte, byte % 8)
    assert check(folder).sound


@pytest.mark.parametrize("suffix", [".json", "cache.json", "provenance"])
def test_every_byte_of_the_small_files_is_guarded_or_means_nothing(tmp_path: Path, suffix: str) -> None:
    folder = filled(tmp_path)
    path = {
        ".json": some_shard(folder)[0].with_suffix(".json"),
        "cache.json": folder / "cache.json",
        "provenance": next((folder / "provenance").iterdir()),
    }[suffix]
    whole = path.read_bytes()
    silent = 0
    for byte in range(len(whole)):
        flip(path, byte, byte % 3)
        silent += check(folder).sound
        flip(path, byte, byte % 3)
    assert silent <= whole.count(b"\n") + whole.count(b" "), "only white space may change unnoticed"


def test_a_damaged_row_is_an_error_that_names_shard_image_and_command(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    path, entry = some_shard(folder)
    flip(path, entry.feature_offset + 3 * WIDTH * 2 + 5)
    cache = FeatureCache.open(tmp_path, key_of())
    reader = cache.reader()
    with pytest.raises(
        DamagedShardError, match=f"{path.name}.*1 rows fail.*`spg-dist cache repair .*encode again"
    ) as caught:
        reader.take(reader.rows(DIGESTS))
    (digest,) = caught.value.digests
    whole = [other for other in DIGESTS if other != digest]
    np.testing.assert_array_equal(reader.take(reader.rows(whole)), rows_of(whole).astype(np.float16))
    with pytest.raises(DamagedShardError):
        cache.compact()
    with pytest.raises(DamagedShardError):
        list(reader.batches(100))


def test_a_whole_matrix_is_checked_before_it_is_handed_out(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    path = next((tmp_path / key_of().digest / "arrow").glob("*.arrow"))
    entry = ShardEntry.from_json(path.with_suffix(".json").read_bytes(), "")
    flip(path, entry.feature_offset + 7)
    with pytest.raises(DamagedShardError, match="1 rows fail"):
        cache.reader().matrix()
    assert cache.reader().matrix(check=False).shape == (30, WIDTH)


@pytest.mark.parametrize("region", ["feature", "digest", "checksum", "magic", "schema", "footer"])
def test_repair_drops_just_the_damaged_rows(tmp_path: Path, region: str) -> None:
    folder = filled(tmp_path)
    path, entry = some_shard(folder)
    places = {
        "feature": entry.feature_offset + 2 * 5 * WIDTH,
        "digest": entry.digest_offset + 5 * 32,
        "checksum": entry.checksum_offset + 5 * 8,
        "magic": 0,
        "schema": 40,
        "footer": entry.file_bytes - 20,
    }
    flip(path, places[region])
    report = repaired(folder)
    dropped = 1 if region in ("feature", "digest", "checksum") else 0
    assert (report.rows_dropped, report.rows_kept) == (dropped, 10 - dropped)
    assert check(folder).sound
    assert refill_and_compare(tmp_path) == dropped


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.7, 0.99])
def test_a_truncated_shard_is_named_and_keeps_the_rows_before_the_cut(tmp_path: Path, keep: float) -> None:
    folder = filled(tmp_path)
    path, entry = some_shard(folder)
    size = int(entry.file_bytes * keep)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedShardError, match=f"{path.name} has {size:,} bytes where {entry.file_bytes:,}"):
        read_all(tmp_path)
    assert [problem.kind for problem in check(folder).problems] == ["truncated"]
    whole = min(10, max(0, (size - entry.feature_offset) // (2 * WIDTH)))
    assert repaired(folder).rows_kept == whole
    assert check(folder).sound
    assert refill_and_compare(tmp_path) == 10 - whole


def test_a_missing_data_file_is_named_and_repaired(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    path, _ = some_shard(folder)
    path.unlink()
    with pytest.raises(DamagedShardError, match=f"{path.name} is missing; run"):
        read_all(tmp_path)
    (problem,) = check(folder).problems
    assert (problem.kind, problem.rows_lost) == ("missing", 10)
    assert repaired(folder).rows_dropped == 10 and check(folder).sound
    assert refill_and_compare(tmp_path) == 10


@pytest.mark.parametrize("damage", ["removed", "flipped", "emptied"])
def test_a_shard_that_lost_its_entry_is_listed_again(tmp_path: Path, damage: str) -> None:
    folder = filled(tmp_path)
    entry = some_shard(folder)[0].with_suffix(".json")
    if damage == "removed":
        entry.unlink()
    elif damage == "flipped":
        flip(entry, entry.read_bytes().index(b'"rows": ') + 8)
    else:
        entry.write_bytes(b"")
    if damage != "removed":
        with pytest.raises(DamagedShardError, match=f"{entry.name}.*run `spg-dist cache repair"):
            FeatureCache.open(tmp_path, key_of())
    assert [problem.kind for problem in check(folder).problems] == ["unlisted" if damage == "removed" else "manifest"]
    assert repaired(folder).rows_dropped == 0
    assert check(folder).sound and refill_and_compare(tmp_path) == 0


def test_all_kinds_of_damage_at_once_are_repaired(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    first, second, third = sorted((folder / "arrow").glob("*.arrow"))
    first.write_bytes(first.read_bytes()[:-200])
    second.unlink()
    third.with_suffix(".json").unlink()
    flip(third, len(third.read_bytes()) - 100)
    (folder / "cache.json").write_bytes(b"")
    assert len(check(folder).problems) == 4
    repaired(folder)
    assert check(folder).sound
    refill_and_compare(tmp_path)


def test_a_damaged_compacted_shard_gets_its_rows_back_from_those_it_was_made_of(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    FeatureCache.open(tmp_path, key_of()).compact()
    (entry,) = (folder / "arrow").glob("*.json")
    flip(entry.with_suffix(".arrow"), 2000)
    repaired(folder)
    assert check(folder).sound and refill_and_compare(tmp_path) == 0


def test_a_shard_of_another_cache_is_not_taken_in(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    other = FeatureCache.open(tmp_path, key_of(transform="other"))
    other.write_shard(digests_of(3, start=100), rows_of(digests_of(3, start=100)))
    (stray,) = (tmp_path / other.key.digest / "arrow").glob("*.arrow")
    shutil.copy(stray, folder / "arrow")
    assert [problem.kind for problem in check(folder).problems] == ["foreign"]
    repaired(folder)
    assert len(FeatureCache.open(tmp_path, key_of()).reader()) == 30


class TestDamagedLmdb:
    """What holds with and without the seal over the pages (`test_lmdb_pages.py`)."""

    def test_a_flipped_row_is_an_error_with_the_command_and_repair_drops_just_it(self, tmp_path: Path) -> None:
        folder = filled(tmp_path, "lmdb")
        LmdbFile(folder / "lmdb", "").close()
        (folder / "lmdb" / "pages.xxh3").unlink()  # as after a killed writer: rows guard themselves
        data = (folder / "lmdb" / "data.mdb").read_bytes()
        row = rows_of(DIGESTS[12:13]).astype(np.float16).tobytes()
        assert data.count(row) >= 1
        for copy in range(data.count(row)):  # copy-on-write leaves old pages behind
            place = -1
            for _ in range(copy + 1):
                place = data.index(row, place + 1)
            flip(folder / "lmdb" / "data.mdb", place + 9)
        with pytest.raises(DamagedShardError, match=r"1 rows fail.*`spg-dist cache repair"):
            read_all(tmp_path, "lmdb")
        assert [problem.kind for problem in check(folder, "lmdb").problems] == ["damaged"]
        report = repaired(folder, "lmdb")
        assert (report.rows_dropped, report.rows_kept) == (1, 29)
        assert check(folder, "lmdb").sound
        assert refill_and_compare(tmp_path, "lmdb") == 1

    @pytest.mark.parametrize("place", [0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9])
    def test_a_flip_anywhere_is_found_or_changes_nothing(self, tmp_path: Path, place: float) -> None:
        folder = filled(tmp_path, "lmdb")
        LmdbFile(folder / "lmdb", "").close()
        file = folder / "lmdb" / "data.mdb"
        page = int(file.stat().st_size * place) // 4096
        for byte in (page * 4096 + 11, page * 4096 + 20):  # the page's flags and the first slots
            flip(file, byte, 3)
        if check(folder, "lmdb").sound:
            read_all(tmp_path, "lmdb")
        else:
            repaired(folder, "lmdb")
            assert check(folder, "lmdb").sound
            refill_and_compare(tmp_path, "lmdb")

    def test_a_truncated_store_is_found_and_repaired(self, tmp_path: Path) -> None:
        folder = filled(tmp_path, "lmdb")
        LmdbFile(folder / "lmdb", "").close()
        file = folder / "lmdb" / "data.mdb"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        assert not check(folder, "lmdb").sound
        repaired(folder, "lmdb")
        assert check(folder, "lmdb").sound
        refill_and_compare(tmp_path, "lmdb")
