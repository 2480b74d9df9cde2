"""Join the cluster this process was submitted to, or start a local one."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from spg_dist.distributed.short_folder import folder_for_sockets
from spg_dist.home import home, in_ray_job
from spg_dist.interruption import handlers_kept, stops_ignored

# Ray reads these when it is imported: a trainer asks its workers for news every 0.2 s, which takes 8 s off every fit();
# no usage report is sent to anybody; a kill is this program's to answer, not for a dump of C++ frames.
DEFAULTS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)

import ray as ray  # noqa: E402 - exported: whoever needs Ray takes it from here, after its environment is set

Result = TypeVar("Result")
HEAD_SECONDS = 10.0


@contextmanager
def ray_session() -> Iterator[None]:
    """Ray for the length of a job: the cluster it was submitted to or that RAY_ADDRESS names, else a local one."""
    already = ray.is_initialized()
    if not already:
        # not Ray's own default, which also tries the last head started here, dead or alive, and waits for it
        joined = in_ray_job() or "RAY_ADDRESS" in os.environ
        _say("joining the Ray cluster ..." if joined else "starting Ray on this machine ...")
        _require_head(os.environ.get("RAY_ADDRESS", ""))
        if not joined and not _home_takes_a_token():
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        with handlers_kept():  # Ray's own answer to a kill is to exit without a word
            ray.init(
                address=None if joined else "local",
                _temp_dir=None if joined or "RAY_TMPDIR" in os.environ else str(folder_for_sockets() / "ray"),
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False,
                configure_logging=False,
                runtime_env=_runtime_environment(joined),
            )
        _say(f"Ray has {cpus_of_cluster()} CPUs and {accelerators_of_cluster():g} GPUs")
    try:
        yield
    finally:
        if not already:
            with stops_ignored():
                ray.shutdown()


def _require_head(address: str) -> None:
    """Raises ConnectionError where nobody answers at an address: Ray would try for a quarter of an hour."""
    named = re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:(\d+)", address)
    deadline = time.monotonic() + HEAD_SECONDS
    while named:
        try:
            socket.create_connection((named[1], int(named[2])), timeout=HEAD_SECONDS).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConnectionError(
                    f"no Ray head answers at RAY_ADDRESS={address} ({error.strerror or error}): start it, or unset "
                    f"RAY_ADDRESS to work on this machine alone"
                ) from error
            time.sleep(0.5)


def _home_takes_a_token() -> bool:
    """Whether Ray finds its token in the user's home or can put one there, as it does when it starts locally."""
    try:
        place = Path.home() / ".ray"
        return (place / "auth_token").is_file() or os.access(
            place if place.is_dir() else place.parent, os.W_OK | os.X_OK
        )
    except (RuntimeError, OSError):  # no home at all, or a file in its place
        return False


def _runtime_environment(joined: bool) -> dict[str, Any]:
    # workers run in folders of their own: relative paths must lead them where they lead this process
    environment: dict[str, Any] = {"env_vars": {"SPG_HOME": str(home())}}
    quoted = shlex.quote(sys.executable)
    if quoted != sys.executable and not joined:  # Ray puts it into a shell command as it is
        environment["py_executable"] = quoted
    return environment


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def in_background(blocking: Callable[[], Result]) -> Future[Result]:
    """The result of a call that blocks, made in a thread, so that Ctrl-C reaches the main one at once.

    In the main thread `fit()` of Ray Train takes Ctrl-C for itself: it asks its controller to abort, which took 25 s,
    and exits with status 0 or 1. After an interruption the call is left to itself: the end of the session ends it.
    """
    done: Future[Result] = Future()

    def call() -> None:
        try:
            done.set_result(blocking())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=call, name="in background", daemon=True).start()
    return done


def accelerators_of_cluster() -> float:
    """GPUs that the cluster has in all."""
    return float(ray.cluster_resources().get("GPU", 0))


def cpus_of_cluster() -> int:
    """CPUs that the cluster has in all."""
    return int(ray.cluster_resources().get("CPU", 1))
