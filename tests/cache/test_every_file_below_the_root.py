"""`ls`, `verify` and `gc` tell one truth of every file below a cache root: in use, waiting for deletion, or unknown."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cache import DigestIndex, FeatureCache
from cache.folder import LocalFolder, folder_at
from cache.shards.entry import ShardEntry
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.command_line import run
from cache.upkeep.listing import list_caches
from cache.upkeep.repair import repair
from cache.upkeep.retention import collect_garbage
from cache.upkeep.verification import verify, verify_root

DIGESTS = digests_of(40)
pytestmark = pytest.mark.usefixtures("settled")
WITHOUT_CONTENT = (".lock", ".compaction.lock", "lock.mdb")  # locks: empty, or LMDB's own


def filled(root: Path, store: str = "arrow") -> Path:
    """A compacted cache and remembered file digests below a root; returns the cache's folder."""
    cache = FeatureCache.open(root, key_of(), store=store, provenance={"dataset": "pacs"})
    for start in range(0, 40, 8):
        cache.write_shard(DIGESTS[start : start + 8], rows_of(DIGESTS[start : start + 8]))
    cache.compact()
    image = root.parent / "image"
    image.write_bytes(b"image")
    DigestIndex(root).digest_files([image])
    return root / key_of().digest


def replaced(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "arrow").glob("*.arrow")) if not path.with_suffix(".json").exists()]


def entry_of(folder: Path) -> ShardEntry:
    (path,) = (folder / "arrow").glob("*.json")
    return ShardEntry.from_json(path.read_bytes(), str(path))


def compacted_hours_ago(folder: Path, hours: float) -> None:
    entry = entry_of(folder)
    older = replace(entry, created_ns=time.time_ns() - int(hours * 3600e9))
    (folder / "arrow" / entry.entry_file).write_bytes(older.to_json())


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x81  # no ASCII either, so that a text is spoilt too
    path.write_bytes(data)


def size_of(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def test_ls_verify_and_gc_agree_on_what_is_in_use_and_what_waits_until_when(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = filled(tmp_path / "root")
    old, merged = replaced(folder), entry_of(folder)
    in_use = [folder / "arrow" / name for name in (merged.entry_file, f"{merged.name}.arrow")]
    may_go = datetime.fromtimestamp(merged.created_ns / 1e9, UTC) + timedelta(hours=24)
    (listed,) = list_caches(tmp_path / "root")
    found = verify(LocalFolder(folder), key_of(), "arrow").waiting
    collected = collect_garbage(tmp_path / "root", timedelta(days=30), dry_run=True)
    assert len(old) == 5 and listed.bytes_on_disk == size_of(in_use)
    assert list(listed.waiting) == found == collected.waiting and collected.removed == []
    assert [(one.path, one.file_bytes, one.may_go) for one in found] == [
        (str(path), path.stat().st_size, may_go) for path in old
    ]
    when = may_go.isoformat(timespec="seconds")
    gc = ["gc", "--keep-used-within=30d"]
    for argv in (["ls"], ["verify"], gc, [*gc, "--dry-run"]):
        assert run([argv[0], str(tmp_path / "root"), *argv[1:]]) == 0
        assert f"for deletion by `spg-dist cache gc` from {when} on" in capsys.readouterr().out, argv
    assert replaced(folder) == old


def test_gc_frees_what_ls_says_may_go_and_nothing_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = filled(tmp_path / "root")
    compacted_hours_ago(folder, 25)
    run(["ls", str(tmp_path / "root")])
    assert "5 files wait for deletion by `spg-dist cache gc` now" in capsys.readouterr().out
    old = replaced(folder)
    total = size_of(old)
    report = collect_garbage(tmp_path / "root", timedelta(days=30), dry_run=False)
    assert [removal.path for removal in report.removed] == [str(path) for path in old]
    assert (report.bytes_freed, report.waiting) == (total, [])
    (listed,) = list_caches(tmp_path / "root")
    assert (listed.rows, listed.waiting) == (40, ()) and replaced(folder) == []


def test_a_write_that_was_cut_off_waits_in_every_folder(tmp_path: Path, store: str) -> None:
    folder = filled(tmp_path / "root", store)
    with FeatureCache.open(tmp_path / "root", key_of(), store=store).claim(digests_of(1, start=900)):
        pass  # so that there is a folder for leases
    places = [
        folder,
        *(folder / name for name in (store, "provenance", "leases")),
        folder.parent,
        folder.parent / "digests",
    ]
    left = [place / ".tmp-1-dead" for place in places]
    for path in left:
        path.write_bytes(b"x" * 7)
        os.utime(path, (time.time() - 3600,) * 2)
    (listed,) = list_caches(folder.parent)
    waiting = [*verify(LocalFolder(folder), key_of(), store).waiting, *verify_root(str(folder.parent)).waiting]
    assert {one.path: one.file_bytes for one in waiting if "cut off" in one.reason} == {str(path): 7 for path in left}
    assert listed.bytes_on_disk + sum(one.file_bytes for one in listed.waiting) <= sum(
        path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()
    )
    for path in left:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    report = collect_garbage(folder.parent, timedelta(days=30), dry_run=False)
    assert {removal.path for removal in report.removed} == {str(path) for path in left}


def test_verify_speaks_of_damage_in_every_file_below_the_root(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    folder = filled(root, store)
    with FeatureCache.open(root, key_of(), store=store).claim(digests_of(1, start=900)):
        files = [path for path in root.rglob("*") if path.is_file() and path.name not in WITHOUT_CONTENT]
        assert {path.parent.name for path in files} == {folder.name, "digests", "provenance", "leases", store}
        unsaid = []
        for path in files:
            whole = path.read_bytes()
            spoil(path)
            in_use = path.parent.name not in ("digests", "leases") and path.name != "last-used.txt"
            status = run(["verify", str(root)])
            said = capsys.readouterr().out
            named = "data.mdb" if path.name == "pages.xxh3" else path.name
            harmless = not in_use or path in replaced(folder)
            if named not in said or (status == 0) != harmless:
                unsaid.append((path, status, said))
            assert ("no result depends on it" in said) == harmless, said
            path.write_bytes(whole)
    assert not unsaid
    assert run(["verify", str(root)]) == 0


def test_a_damaged_file_of_digests_is_gone_after_the_job_that_verify_names(tmp_path: Path) -> None:
    filled(tmp_path / "root")
    (segment,) = (tmp_path / "root" / "digests").iterdir()
    spoil(segment)
    report = verify_root(str(tmp_path / "root"))
    assert [problem.path for problem in report.harmless] == [str(segment)] and report.segments == 0
    assert "the next job deletes it" in report.harmless[0].detail
    assert DigestIndex(tmp_path / "root").digest_files([tmp_path / "image"]).files_read == 1
    report = verify_root(str(tmp_path / "root"))
    assert report.harmless == [] and report.segments == 1


def test_unknown_files_are_named_and_neither_gc_nor_repair_deletes_them(tmp_path: Path, store: str) -> None:
    folder = filled(tmp_path / "root", store)
    (folder / "leases").mkdir(exist_ok=True)
    (folder.parent / "my folder").mkdir()
    inside = [place / "notes.txt" for place in (folder, folder / store, folder / "provenance", folder / "leases")]
    beside = [folder.parent / "my folder", folder.parent / "notes.txt", folder.parent / "digests" / "notes.txt"]
    for path in (*inside, *beside[1:]):
        path.write_text("mine")
    problems = verify(LocalFolder(folder), key_of(), store).problems
    assert {(problem.kind, problem.path) for problem in problems} == {("foreign", str(path)) for path in inside}
    assert {problem.path for problem in verify_root(str(folder.parent)).harmless} == {str(path) for path in beside}
    collect_garbage(folder.parent, timedelta(days=30), dry_run=False)
    repair(LocalFolder(folder), key_of(), store)
    assert all(path.exists() for path in (*inside, *beside))


def test_replaced_shards_on_s3_are_checked_and_wait_for_a_person(
    s3_root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = filled(tmp_path / "root")
    spoil(replaced(local)[0])
    there = folder_at(s3_root)
    for path in local.parent.rglob("*"):
        if path.is_file() and path.name not in WITHOUT_CONTENT:
            target = there
            for part in path.relative_to(local.parent).parts[:-1]:
                target = target.child(part)
            target.write(path.name, path.read_bytes())
    report = verify(there.child(local.name), key_of(), "arrow")
    assert report.sound and len(report.waiting) == 5
    assert [Path(problem.path).name for problem in report.harmless] == [replaced(local)[0].name]
    (listed,) = list_caches(s3_root)
    assert sum(one.file_bytes for one in listed.waiting) == size_of(replaced(local))
    assert run(["verify", s3_root]) == 0
    said = capsys.readouterr().out
    assert "waits for deletion by hand from" in said and "1 file of remembered digests sound" in said
