"""File digests: right, remembered, and never wrong for being remembered."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3
from xxhash import xxh3_128_hexdigest

from cache import DigestIndex
from cache import digest_index as implementation


@pytest.fixture
def files(tmp_path: Path, settled: None) -> list[Path]:
    """50 files, in an order that is not sorted, some with the same content."""
    folder = tmp_path / "images"
    folder.mkdir()
    paths = [folder / f"{(number * 7) % 50}.jpg" for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(f"content {number % 40}".encode() * number)
    return paths


def date(path: Path, seconds: float) -> None:
    """Set a file's mtime to so many seconds from now."""
    os.utime(path, (time.time() + seconds,) * 2)


def true_digests(paths: list[Path]) -> list[str]:
    return [blake3(path.read_bytes()).hexdigest() for path in paths]


def test_digests_come_in_order_and_a_warm_start_reads_no_file(tmp_path: Path, files: list[Path]) -> None:
    cold = DigestIndex(tmp_path / "root").digest_files(files)
    warm = DigestIndex(tmp_path / "root").digest_files(files)
    assert cold.digests == warm.digests == true_digests(files)
    assert (cold.files_read, cold.files_reused) == (50, 0)
    assert (warm.files_read, warm.files_reused) == (0, 50)


def test_changed_content_is_read_again_and_a_touched_file_keeps_its_digest(tmp_path: Path, files: list[Path]) -> None:
    index = DigestIndex(tmp_path / "root")
    before = index.digest_files(files)
    files[3].write_bytes(b"something else")
    date(files[4], -1800)
    after = index.digest_files(files)
    assert after.files_read == 2
    assert after.digests == true_digests(files)
    assert [d for n, d in enumerate(after.digests) if n != 3] == [d for n, d in enumerate(before.digests) if n != 3]


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_overwritten_with_the_same_size_and_mtime_is_noticed(
    tmp_path: Path, files: list[Path], in_place: bool
) -> None:
    index = DigestIndex(tmp_path / "root")
    index.digest_files(files)
    status = files[5].stat()
    new = files[5] if in_place else tmp_path / "new"
    new.write_bytes(b"x" * status.st_size)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    if not in_place:
        new.replace(files[5])
    assert index.digest_files(files).digests == true_digests(files)


def test_a_file_written_just_now_is_not_remembered_whatever_its_mtime_says(tmp_path: Path) -> None:
    path = tmp_path / "fresh.jpg"
    path.write_bytes(b"one")
    date(path, -3600)
    index = DigestIndex(tmp_path / "root")
    assert [index.digest_files([path]).files_read for _ in range(2)] == [1, 1]


def test_a_file_dated_in_the_future_is_remembered(tmp_path: Path, files: list[Path]) -> None:
    date(files[7], 86400)
    index = DigestIndex(tmp_path / "root")
    assert [index.digest_files(files).files_read for _ in range(2)] == [50, 0]


def test_an_index_without_ctimes_is_made_anew(tmp_path: Path, files: list[Path]) -> None:
    """As version 0.1.0 wrote it."""
    DigestIndex(tmp_path / "root").digest_files(files)
    folder = tmp_path / "root" / "digests"
    (segment,) = folder.iterdir()
    table = pa.ipc.open_file(segment).read_all()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, old := table.drop_columns("ctime_ns").schema) as writer:
        writer.write_table(table.select(old.names))
    segment.unlink()
    data = sink.getvalue()
    (folder / f"{xxh3_128_hexdigest(memoryview(data))}.arrow").write_bytes(data)
    assert [DigestIndex(tmp_path / "root").digest_files(files).files_read for _ in range(2)] == [50, 0]


def test_a_moved_folder_has_the_same_digests(tmp_path: Path, files: list[Path]) -> None:
    index = DigestIndex(tmp_path / "root")
    before = index.digest_files(files)
    shutil.move(files[0].parent, tmp_path / "moved")
    assert index.digest_files([tmp_path / "moved" / path.name for path in files]).digests == before.digests


def test_files_that_cannot_be_read_are_listed_and_do_not_stop_the_others(tmp_path: Path, files: list[Path]) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    bad = [tmp_path / "absent.jpg", tmp_path, fifo]
    index = DigestIndex(tmp_path / "root")
    for _ in range(2):  # unknown at first; then beside files that are remembered
        result = index.digest_files([bad[0], *files, *bad[1:]])
        assert result.digests == [None, *true_digests(files), None, None]
        assert result.failed == {
            str(bad[0]): "No such file or directory",
            str(bad[1]): "not a regular file",
            str(bad[2]): "not a regular file",
        }
    files[0].unlink()
    assert index.digest_files(files).failed == {str(files[0]): "No such file or directory"}


def test_progress_reaches_the_number_of_files(tmp_path: Path, files: list[Path]) -> None:
    calls: list[tuple[int, int]] = []
    DigestIndex(tmp_path / "root").digest_files(files, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 50) and calls[-1] == (50, 50) and calls == sorted(calls)


def test_a_damaged_segment_costs_reading_again_and_nothing_else(tmp_path: Path, files: list[Path]) -> None:
    DigestIndex(tmp_path / "root").digest_files(files)
    (segment,) = (tmp_path / "root" / "digests").iterdir()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    result = DigestIndex(tmp_path / "root").digest_files(files)
    assert (result.files_read, result.digests) == (50, true_digests(files))
    assert DigestIndex(tmp_path / "root").digest_files(files).files_read == 0


def test_many_segments_are_merged(tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implementation, "MERGE_SEGMENTS", 4)
    for count in range(5, 50, 5):
        DigestIndex(tmp_path / "root").digest_files(files[:count])
    assert len(list((tmp_path / "root" / "digests").iterdir())) <= 4
    assert DigestIndex(tmp_path / "root").digest_files(files[:45]).files_read == 0


def _digest(root: Path, paths: list[Path], answers: multiprocessing.Queue[list[str | None]]) -> None:
    answers.put(DigestIndex(root).digest_files(paths).digests)


def test_concurrent_processes_agree(tmp_path: Path, files: list[Path]) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[list[str | None]] = context.Queue()
    workers = [context.Process(target=_digest, args=(tmp_path / "root", files, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=30) for _ in workers] == [true_digests(files)] * 4
    for worker in workers:
        worker.join(30)
    assert DigestIndex(tmp_path / "root").digest_files(files).files_read == 0
