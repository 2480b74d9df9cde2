"""Whatever is done to an Arrow cache's files, a reader gives the right row or an error, and `verify` tells of it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from xxhash import xxh3_128_hexdigest

from cache import CacheError, DamagedShardError, FeatureCache
from cache.findings import Problem, RepairReport
from cache.folder import LocalFolder
from cache.sealed import seal, unseal
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.repair import repair
from cache.upkeep.verification import verify

DIGESTS = digests_of(30)


def filled(root: Path, **fields: str) -> Path:
    """A cache of three shards of ten rows; returns the folder of its shards."""
    cache = FeatureCache.open(root, key_of(**fields))
    for start in (0, 10, 20):
        cache.write_shard(DIGESTS[start : start + 10], rows_of(DIGESTS[start : start + 10]))
    return root / cache.key.digest / "arrow"


def problems(shards: Path) -> list[Problem]:
    return verify(LocalFolder(shards.parent), key_of(), "arrow").problems


def mend(shards: Path) -> RepairReport:
    return repair(LocalFolder(shards.parent), key_of(), "arrow")


def expect_every_row(root: Path) -> None:
    reader = FeatureCache.open(root, key_of()).reader()
    np.testing.assert_array_equal(reader.take(reader.rows(DIGESTS)), rows_of(DIGESTS).astype(np.float16))


def test_a_shard_of_another_cache_with_its_entry_is_refused_and_left_for_a_person(tmp_path: Path) -> None:
    shards, other = filled(tmp_path), filled(tmp_path, transform="other")
    entry = sorted(other.glob("*.json"))[0]
    strays = [shutil.copy(path, shards) for path in (entry, entry.with_suffix(".arrow"))]
    with pytest.raises(DamagedShardError, match=f"{entry.stem}.*does not carry this cache's key.*move it"):
        FeatureCache.open(tmp_path, key_of())
    (problem,) = problems(shards)
    assert problem.kind == "foreign" and entry.name in problem.detail
    assert mend(shards).left == [problem]
    for stray in strays:
        Path(stray).unlink()
    assert problems(shards) == []
    expect_every_row(tmp_path)


def test_a_stray_shard_whose_entry_is_damaged_is_not_removed(tmp_path: Path) -> None:
    shards, other = filled(tmp_path), filled(tmp_path, transform="other")
    stray = shutil.copy(next(other.glob("*.arrow")), shards)
    Path(stray).with_suffix(".json").write_text("{")
    assert [problem.kind for problem in mend(shards).left] == ["foreign"]
    assert Path(stray).exists() and not Path(stray).with_suffix(".json").exists()


@pytest.mark.parametrize("entry", ["none", "damaged"])
def test_a_whole_file_that_this_program_cannot_read_is_left_for_a_person(tmp_path: Path, entry: str) -> None:
    """As one of a later version would be: its name is its checksum, so it is what somebody wrote."""
    shards, data = filled(tmp_path), b"a shard of a later version"
    stray = shards / f"{xxh3_128_hexdigest(data)}.arrow"
    stray.write_bytes(data)
    if entry == "damaged":
        stray.with_suffix(".json").write_text("{")
    assert [(problem.kind, problem.path) for problem in mend(shards).left] == [("foreign", str(stray))]
    assert stray.read_bytes() == data
    expect_every_row(tmp_path)


def test_shards_whose_files_changed_places_lose_no_row(tmp_path: Path) -> None:
    shards = filled(tmp_path)
    first, second, third = sorted(shards.glob("*.arrow"))
    first.rename(tmp_path / "held")
    second.rename(first)
    third.rename(second)
    (tmp_path / "held").rename(third)
    assert [problem.kind for problem in problems(shards)] == ["damaged"] * 3
    expect_every_row(tmp_path)  # a row is found by its own digest, whatever its file is called
    report = mend(shards)
    assert (report.rows_kept, report.rows_dropped) == (30, 0) and problems(shards) == []
    expect_every_row(tmp_path)


def test_entries_of_before_a_compaction_put_back_are_missing_data_and_no_wrong_row(tmp_path: Path) -> None:
    shards = filled(tmp_path)
    old = {path: path.read_bytes() for path in shards.glob("*.json")}
    FeatureCache.open(tmp_path, key_of()).compact(keep_replaced_seconds=0)
    for path, data in old.items():
        path.write_bytes(data)
    assert [problem.kind for problem in problems(shards)] == ["missing"] * 3
    mend(shards)
    assert problems(shards) == []
    expect_every_row(tmp_path)


def test_a_shard_under_a_second_name_is_reported_and_its_rows_come_once(tmp_path: Path) -> None:
    shards = filled(tmp_path)
    shutil.copy(next(shards.glob("*.arrow")), shards / f"{'a' * 32}.arrow")
    assert [problem.kind for problem in problems(shards)] == ["unlisted"]
    mend(shards)
    assert problems(shards) == [] and len(FeatureCache.open(tmp_path, key_of()).reader()) == 30
    expect_every_row(tmp_path)


def test_links_are_reported_and_what_they_lead_to_is_never_touched(tmp_path: Path) -> None:
    shards, outside = filled(tmp_path / "root"), tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    (shards / "link").symlink_to(outside)
    (shards.parent / "link").symlink_to(outside / "precious")
    (shards.parent / "gone").symlink_to(outside / "nowhere")
    assert {(problem.kind, Path(problem.path).name) for problem in problems(shards)} == {
        ("foreign", "link"),
        ("foreign", "gone"),
    }
    assert len(mend(shards).left) == 3 and (outside / "precious").read_text() == "mine"
    expect_every_row(tmp_path / "root")


@pytest.mark.parametrize("field", ["rows", "file_bytes", "digest_offset", "feature_offset", "checksum_offset"])
@pytest.mark.parametrize("value", [-1, 1 << 62, 1.5, "7"])
def test_an_entry_with_impossible_numbers_is_an_error_by_name(tmp_path: Path, field: str, value: object) -> None:
    shards = filled(tmp_path)
    path = next(shards.glob("*.json"))
    path.write_bytes(seal(unseal(path.read_bytes(), "") | {field: value}))
    with pytest.raises(CacheError, match=path.stem):
        FeatureCache.open(tmp_path, key_of())
    assert problems(shards)
    mend(shards)
    assert problems(shards) == []
    cache = FeatureCache.open(tmp_path, key_of())
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    expect_every_row(tmp_path)


def test_an_entry_that_points_elsewhere_in_its_file_is_found(tmp_path: Path) -> None:
    shards = filled(tmp_path)
    path = next(shards.glob("*.json"))
    body = unseal(path.read_bytes(), "")
    path.write_bytes(seal(body | {"feature_offset": body["feature_offset"] - 64}))
    reader = FeatureCache.open(tmp_path, key_of()).reader()
    with pytest.raises(DamagedShardError, match="10 rows fail their checksum"):
        reader.take(reader.rows(DIGESTS))
    assert [problem.kind for problem in problems(shards)] == ["manifest"]
    mend(shards)
    expect_every_row(tmp_path)


def test_random_bytes_anywhere_in_a_shard_that_lost_its_entry_never_break_repair(tmp_path: Path) -> None:
    shards, chance = filled(tmp_path / "whole"), random.Random(5)
    for number in range(150):
        shutil.rmtree(tmp_path / "root", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "root")
        (path, *_) = (tmp_path / "root" / shards.relative_to(tmp_path / "whole")).glob("*.arrow")
        entry = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").unlink()
        data = bytearray(path.read_bytes())
        places = (chance.randrange(len(data)), chance.randrange(entry["digest_offset"]), len(data) - 1 - number)
        place = chance.choice(places)  # most in the header and the footer, which say how long everything is
        data[place : place + 4] = chance.randbytes(4)
        path.write_bytes(data)
        mend(path.parent)
        assert problems(path.parent) == []
        reader = FeatureCache.open(tmp_path / "root", key_of()).reader()
        assert len(reader) >= 20  # the other shards are whole
        digests, values = next(reader.batches(100))
        assert len(digests) == len(values)
