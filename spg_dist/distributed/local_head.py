"""A Ray head of one's own: token authentication, localhost only, its own ports, gone when it is left."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from spg_dist.distributed.short_folder import folder_for_sockets
from spg_dist.interruption import stops_ignored

LOOPBACK = Path(__file__).resolve().parent / "loopback"
START_SECONDS = 90
STOP_SECONDS = 3


@dataclass(frozen=True)
class LocalHead:
    """A running head.

    Arguments:
        environment: what a process needs to talk to it: address, token, defaults.
        ray: the command `ray`.
    """

    dashboard: str
    environment: dict[str, str]
    ray: tuple[str, ...]

    def submit(
        self, working_dir: Path, entrypoint: list[str], submission_id: str, stdout: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """`ray job submit`: the process writes the job's log to its standard output and ends with its status."""
        options = ["--submission-id", submission_id, "--working-dir", str(working_dir), "--log-color=false"]
        command = [*self.ray, "job", "submit", *options, "--", *entrypoint]
        return subprocess.Popen(command, env=self.environment, stdout=stdout, stderr=subprocess.STDOUT)


@contextmanager
def local_head() -> Iterator[LocalHead]:
    """Start a head; on leaving, end the processes it started and nothing else.

    Raises:
        ConnectionError: the head does not come up, with the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="spg-ray-", dir=folder_for_sockets()))
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    python = _python_without_blanks(folder)
    ray = (str(python), "-m", "ray.scripts.scripts")
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    without_proxy = ",".join(filter(None, ["127.0.0.1,localhost", excepted]))
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in ("RAY_ADDRESS", "RAY_TMPDIR", "RAY_AUTH_TOKEN")
        },
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "SPG_RAY_LOOPBACK": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(LOOPBACK), os.environ.get("PYTHONPATH")])),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder.parent),  # Ray's dashboard makes its own sockets there
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
    }
    ports = _free_ports(7)
    log = folder / "head.log"
    with log.open("wb") as stream:
        head = subprocess.Popen(
            [*ray, *_start_arguments(folder, ports)],
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    started = psutil.Process(head.pid)
    dashboard = f"http://127.0.0.1:{ports[1]}"
    environment |= {"RAY_API_SERVER_ADDRESS": dashboard}
    try:
        _wait_until_up(head, dashboard, token, log)
        yield LocalHead(dashboard, environment, ray)
    finally:
        with stops_ignored():
            _end(started)
            shutil.rmtree(folder, ignore_errors=True)


def _python_without_blanks(folder: Path) -> Path:
    """This interpreter, by a path that Ray can use: it puts it into shell commands as it is, without quotes."""
    if shlex.quote(sys.executable) == sys.executable:
        return Path(sys.executable)
    link = folder / "environment"
    link.symlink_to(sys.prefix, target_is_directory=True)
    return link / "bin" / Path(sys.executable).name


def _start_arguments(folder: Path, ports: list[int]) -> list[str]:
    names = (
        "port",
        "dashboard-port",
        "dashboard-agent-listen-port",
        "dashboard-agent-grpc-port",
        "metrics-export-port",
        "runtime-env-agent-port",
        "ray-client-server-port",
    )
    return [
        *("start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=true"),
        *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--temp-dir={folder / 'ray'}"),
        *(f"--{name}={port}" for name, port in zip(names, ports, strict=True)),
    ]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_until_up(head: subprocess.Popen[bytes], dashboard: str, token: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and head.poll() is None:
        if _takes_jobs(dashboard, token):
            return
        time.sleep(0.2)
    end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    raise ConnectionError(
        f"the local Ray head did not answer at {dashboard} within {START_SECONDS} s. The end of its log:\n{end}"
    )


def _takes_jobs(dashboard: str, token: Path) -> bool:
    """Asked as `ray job list` would, which takes seconds to start."""
    asked = urllib.request.Request(
        f"{dashboard}/api/jobs/", headers={"Authorization": f"Bearer {token.read_text(encoding='ascii')}"}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=START_SECONDS):
            return True
    except OSError:
        return False


def _end(head: psutil.Process) -> None:
    """End a process and all that it started: asked first, then killed."""
    try:
        family = [*head.children(recursive=True), head]
    except psutil.NoSuchProcess:
        return
    for process in reversed(family):
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=STOP_SECONDS)


def _signal(process: psutil.Process, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
