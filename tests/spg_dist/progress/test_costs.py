"""What a phase took is kept for good: reruns add to it, and neither errors, kills nor torn lines take it away."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from spg_dist.progress import Costs, Display, Machine, Stopwatch
from spg_dist.progress.costs import CostRecord, Sitting, costs_of

REPOSITORY = Path(__file__).resolve().parents[3]
OLD_RUN = REPOSITORY / "tests" / "fixtures" / "version-0.1.0" / "runs" / "finished"
XEON, EPYC = Machine(("Xeon, AVX512",), threads=2), Machine(("EPYC, AVX2",), workers=3)
KILLED = """
import sys, time
from pathlib import Path
from spg_dist.progress import Display, Stopwatch, stopwatch
stopwatch.NOTE_SECONDS = 0.05
display = Display()
with Stopwatch(display, Path(sys.argv[1])).phase("stage 1: labels"):
    display.training(1, 9)
    display.epoch_done("run", 0, {})
    time.sleep(0.5)
    print("noted", flush=True)
    time.sleep(60)
"""


def shown() -> Display:
    return Display(Console(file=io.StringIO(), width=100))


def sitting(job: str, phase: str, seconds: float, machine: Machine = XEON, place: int = 0, **work: int) -> Sitting:
    return Sitting(job, place, phase, seconds, work, ended=True, machine=machine)


def job(record: Path, epochs: int) -> Costs:
    """A job that prepares and trains so many epochs."""
    display = shown()
    watch = Stopwatch(display, record, XEON)
    with watch.phase("prepare: images"):
        pass
    with watch.phase("stage 1: labels"):
        display.training(1, epochs)
        for epoch in range(epochs):
            display.epoch_done("run", epoch, {})
    return watch.costs()


def test_a_rerun_adds_to_what_was_done_and_counts_only_where_it_did_something(tmp_path: Path) -> None:
    record = tmp_path / "costs.jsonl"
    first = job(record, epochs=5)
    again = job(record, epochs=0)
    assert [(cost.phase, cost.jobs, cost.work) for cost in again.phases] == [
        ("prepare", 2, {}),
        ("stage 1", 1, {"epochs trained": 5}),
    ]
    assert all(late.seconds > early.seconds for early, late in zip(first.phases, again.phases, strict=True))
    assert again.remarks == ()


def test_seconds_jobs_work_and_machines_add_up() -> None:
    sittings = [
        sitting("monday", "encode", 4.0, features=10),
        sitting("monday", "stage 1", 30.0, place=1, epochs=7),
        sitting("tuesday", "encode", 1.0, EPYC, features=0),
        sitting("tuesday", "stage 1", 20.0, EPYC, place=1, epochs=5),
    ]
    encode, stage1 = costs_of(sittings).phases
    assert (encode.seconds, encode.jobs, encode.work) == (5.0, 1, {"features": 10})
    assert encode.machines == ("1 worker of 2 threads on Xeon, AVX512",), "on the other machine nothing was to do"
    assert (stage1.seconds, stage1.jobs, stage1.work) == (50.0, 2, {"epochs": 12})
    assert stage1.machines == ("1 worker of 2 threads on Xeon, AVX512", "3 workers of 1 thread on EPYC, AVX2")
    assert stage1.in_words() == "12 epochs, in 2 jobs"
    assert costs_of(sittings).seconds == 55.0


def test_epochs_of_an_earlier_job_are_not_counted_again() -> None:
    display = shown()
    watch = Stopwatch(display)
    with watch.phase("stage 2"):
        display.training(1, 5)
        display.run_resumed("run", 3, uncounted=3)
        for epoch in range(5):  # a resumed run reports all of its epochs
            display.epoch_done("run", epoch, {})
    assert watch.costs().phases[0].work == {"epochs trained": 2}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_phase_that_breaks_off_has_taken_its_time(tmp_path: Path, stop: type[BaseException]) -> None:
    record, display = tmp_path / "costs.jsonl", shown()
    with pytest.raises(stop), Stopwatch(display, record, XEON).phase("stage 1: labels"):
        display.training(1, 9)
        display.epoch_done("run", 0, {})
        raise stop
    ((found,), remarks) = CostRecord(record).read()
    assert (found.phase, found.ended, found.work, found.machine) == ("stage 1", False, {"epochs trained": 1}, XEON)
    assert not remarks
    (cost, *_) = [cost for cost in job(record, epochs=8).phases if cost.phase == "stage 1"]
    assert (cost.jobs, cost.work) == (2, {"epochs trained": 9})


def test_a_job_that_is_refused_leaves_no_record(tmp_path: Path) -> None:
    record = tmp_path / "costs.jsonl"
    with pytest.raises(ValueError, match="no such folder"), Stopwatch(shown(), record, XEON).phase("prepare: images"):
        raise ValueError("no such folder")
    assert not record.exists()


def test_a_killed_job_has_said_what_it_took_by_then(tmp_path: Path) -> None:
    record = tmp_path / "costs.jsonl"
    command = [sys.executable, "-c", KILLED, str(record)]
    killed = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    while killed.stdout.readline().strip() != "noted":
        assert killed.poll() is None
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    ((found,), _) = CostRecord(record).read()
    assert found.seconds > 0.3 and found.work == {"epochs trained": 1} and not found.ended


def test_a_line_torn_by_a_kill_is_lost_alone_and_named(tmp_path: Path) -> None:
    record = tmp_path / "costs.jsonl"
    job(record, epochs=5)
    whole = record.read_bytes()
    record.write_bytes(whole + whole.splitlines()[-1][:-20])
    costs = job(record, epochs=2)
    stage1 = costs.of("stage 1")
    assert stage1 is not None and (stage1.jobs, stage1.work) == (2, {"epochs trained": 7})
    assert costs.remarks == ("1 line of costs.jsonl cannot be read: not counted.",)


@pytest.mark.parametrize("damage", [b"[1, 2]\n", b"{}\n", b"\xff\xfe\n", b'{"phase": "encode", "seconds": "long"}\n'])
def test_what_is_no_line_of_the_record_is_no_reason_to_fail(tmp_path: Path, damage: bytes) -> None:
    record = tmp_path / "costs.jsonl"
    record.write_bytes(damage)
    assert job(record, epochs=1).remarks == ("1 line of costs.jsonl cannot be read: not counted.",)


def test_a_run_of_a_version_without_a_record_says_that_more_was_spent(tmp_path: Path) -> None:
    folder = tmp_path / "finished"
    shutil.copytree(OLD_RUN, folder)
    for _ in range(2):
        costs = job(folder / "costs.jsonl", epochs=0)
        assert costs.remarks == ("Earlier jobs, of a version that kept no record of its time, are not counted.",)
    stage1 = costs.of("stage 1")
    assert stage1 is not None and stage1.in_words() == "0 epochs trained, nothing to do so far"


def test_a_record_that_cannot_be_written_is_a_warning_and_not_the_end_of_the_job(tmp_path: Path) -> None:
    stream = io.StringIO()
    watch = Stopwatch(Display(Console(file=stream, width=200)), tmp_path / "gone" / "costs.jsonl", XEON)
    with watch.phase("stage 1: labels"):
        watch.display.training(1, 1)
        watch.display.epoch_done("run", 0, {})
    assert "warning: what stage 1 took could not be recorded" in stream.getvalue()
    assert [cost.phase for cost in watch.costs().phases] == ["stage 1"]
