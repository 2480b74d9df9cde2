"""`make demo` starts a Ray head of its own and takes it, and nothing else, away again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from spg_dist.distributed.local_head import LocalHead

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120


def family_of(demo: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The demo's processes: the head has a session of its own, but it is the demo's child."""
    return psutil.Process(demo.pid).children(recursive=True)


def names_and_addresses(family: list[psutil.Process]) -> tuple[set[str], set[str]]:
    """Names of processes, and what they listen on; one that has ended meanwhile has neither."""
    names, addresses = set(), set()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            names.add(process.name())
            connections = process.net_connections("inet")
            addresses |= {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    return names, addresses


@pytest.fixture
def demo(head: LocalHead, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that writes `demo.log`, and would take long."""
    arguments = ["data.images_per_class=8", "seeds=[1]", "name=interrupted", "stage1.epochs=1000"]
    command = [sys.executable, "jobs/demo.py", *arguments]
    with (tmp_path / "demo.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=REPOSITORY, env=head.environment, stdout=log, stderr=log)
        yield running
        running.terminate()
        running.wait()


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_and_all_that_it_started_but_no_other_ray(
    head: LocalHead, demo: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    log = tmp_path / "demo.log"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "== stage 1" not in log.read_text():
        assert demo.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    family = family_of(demo)
    names, addresses = names_and_addresses(family)
    assert any("raylet" in name for name in names)
    assert addresses, "the head listens to nobody"
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}, "something listens beyond localhost"

    demo.send_signal(signal.SIGINT)

    assert demo.wait(PATIENCE_SECONDS) == 130, log.read_text()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, [process.cmdline() for process in alive]
    listed = subprocess.run(["ray", "job", "list"], env=head.environment, check=False, capture_output=True)
    assert listed.returncode == 0, "another Ray head was disturbed"
