"""`make demo` starts a Ray head of its own and takes it, and nothing else, away again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spg_dist.distributed.local_head import LocalHead

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120


def family_of(demo: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The demo's processes: the head has a session of its own, but it is the demo's child."""
    return psutil.Process(demo.pid).children(recursive=True)


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_and_all_that_it_started_but_no_other_ray(head: LocalHead, tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    arguments = ["data.images_per_class=8", "seeds=[1]", "name=interrupted", "stage1.epochs=1000"]
    command = [sys.executable, "jobs/demo.py", *arguments]
    with log.open("wb") as stream:
        demo = subprocess.Popen(command, cwd=REPOSITORY, env=head.environment, stdout=stream, stderr=stream)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "== stage 1" not in log.read_text():
        assert demo.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    family = family_of(demo)
    assert any("raylet" in process.name() for process in family)

    listening = {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}, "something listens beyond localhost"
    assert listening

    demo.send_signal(signal.SIGINT)

    assert demo.wait(PATIENCE_SECONDS) == 130, log.read_text()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, [process.cmdline() for process in alive]
    listed = subprocess.run(["ray", "job", "list"], env=head.environment, check=False, capture_output=True)
    assert listed.returncode == 0, "another Ray head was disturbed"
