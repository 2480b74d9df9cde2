"""One job at a time in a folder, on file systems with locks and without; who holds a folder is named."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_input_material import arguments, failure
from drawn_material import draw_images
from filelock import SoftFileLease

from cache import locks
from jobs import encode
from spg_dist.experiment.one_job import only_job

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=[None, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK], ids=["flock", "nosys", "notsup", "nolck"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that locks, and those that do not; a silent owner's lease is up after a second."""
    monkeypatch.setattr(locks, "LEASE_SECONDS", 1.0)
    if request.param:

        def no_locks(fd: int, operation: int) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(fcntl, "flock", no_locks)


@contextmanager
def held_by_another_process(root: Path) -> Iterator[int]:
    ready, over = FORK.Event(), FORK.Event()

    def hold() -> None:
        with only_job(root, ""):
            (root / "work").touch()
            ready.set()
            over.wait(60)

    process = FORK.Process(target=hold, daemon=True)
    process.start()
    assert ready.wait(60) and process.pid
    yield process.pid
    over.set()
    process.join(60)
    process.close()


@pytest.mark.usefixtures("file_system")
def test_a_folder_that_another_job_writes_to_is_refused_by_process_host_and_file(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with held_by_another_process(root) as process:
        with pytest.raises(ValueError, match="another job is writing to") as refused, only_job(root, ""):
            pytest.fail("two jobs in one folder")
        for part in (f"process {process} on {socket.gethostname()}", str(root / ".lock"), "name="):
            assert part in str(refused.value)
    with only_job(root, ""):
        pass


@pytest.mark.usefixtures("file_system")
def test_the_folder_of_a_job_that_was_killed_is_free_at_once(tmp_path: Path) -> None:
    def hold_and_die() -> None:
        locks.acquire(tmp_path / ".lock", wait=False)
        os.kill(os.getpid(), 9)

    killed = FORK.Process(target=hold_and_die)
    killed.start()
    killed.join(60)
    with only_job(tmp_path, ""):
        pass


@pytest.mark.usefixtures("file_system")
def test_a_refused_job_leaves_no_folder(tmp_path: Path) -> None:
    with only_job(tmp_path / "runs" / "run", ""):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("file_system")
def test_only_one_of_many_has_the_lock_at_a_time(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with locks.locked(tmp_path / "cache" / ".lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.002)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1]


def on_another_host(path: Path, renewed: bool) -> Callable[[], None]:
    """The lease of a job on another host, which renews it or was killed; returns what ends the job."""
    lease = SoftFileLease(path, lease_duration=locks.LEASE_SECONDS)
    with lease:
        written = path.read_bytes()
    path.write_bytes(written.replace(socket.gethostname().encode(), b"node-17"))
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.1):
            os.utime(path)

    if renewed:
        threading.Thread(target=beat, daemon=True).start()
    return over.set


@pytest.mark.parametrize("file_system", [errno.ENOSYS], indirect=True)
@pytest.mark.usefixtures("file_system")
def test_a_job_on_another_host_is_alive_as_long_as_it_renews_its_lease(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end = on_another_host(tmp_path / f".lock{locks.LEASE_ENDING}", renewed=True)
    with pytest.raises(ValueError, match=r"process \d+ on node-17 holds .*\.lock"), only_job(tmp_path, ""):
        pytest.fail("two jobs in one folder")
    assert "waiting up to" in caplog.text and "node-17" in caplog.text
    end()


@pytest.mark.parametrize("file_system", [errno.ENOSYS], indirect=True)
@pytest.mark.usefixtures("file_system")
def test_the_folder_of_a_job_that_was_killed_on_another_host_is_taken_over(tmp_path: Path) -> None:
    on_another_host(tmp_path / f".lock{locks.LEASE_ENDING}", renewed=False)
    with only_job(tmp_path, ""):
        pass


@pytest.mark.parametrize("file_system", [errno.ENOSYS], indirect=True)
@pytest.mark.usefixtures("file_system")
def test_a_job_runs_where_nothing_can_be_locked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw_images(tmp_path / "set", ("art", "photo"), each=4)
    encode.main(arguments(root, tmp_path))
    assert "24 features encoded" in capsys.readouterr().out
    with held_by_another_process(tmp_path / "runs/bad") as process:
        assert f"process {process}" in failure(arguments(root, tmp_path), capsys)
