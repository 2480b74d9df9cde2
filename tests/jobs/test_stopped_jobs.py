"""A stop (Ctrl-C, a kill, a closed terminal) ends every job in one line and status 130, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
ONE_LINE = "stopped: the same command goes on from here"
SLOW_MODULE = "import time\nprint('importing', flush=True)\ntry:\n    time.sleep(60)\nexcept BaseException:\n    pass\n"
IN_RAY = """
import time
from spg_dist.interruption import stop_in_one_line
stop_in_one_line()
from spg_dist.pipeline.errors import reported_errors
from spg_dist.distributed.session import in_background, ray, ray_session
with reported_errors(), ray_session():
    ray.get(ray.remote(lambda: 1).remote())
    print("working", flush=True)
    in_background(lambda: time.sleep(60)).result()
"""


def stop_at(line: str, command: list[str], number: signal.Signals, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and standard error of a command that gets a signal when it prints a line."""
    pipe = subprocess.PIPE
    job = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, text=True)
    assert job.stdout is not None
    while line not in (printed := job.stdout.readline()):
        assert printed, f"it never printed {line!r}: {job.communicate()[1]}"
    family = psutil.Process(job.pid).children(recursive=True)
    job.send_signal(number)
    said = job.communicate(timeout=60)[1]
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, [process.cmdline() for process in alive]
    return job.returncode, said


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("job", ["full_pipeline", "encode", "train", "evaluate", "predict", "demo"])
def test_a_stop_during_the_imports_ends_in_one_line(job: str, number: signal.Signals, tmp_path: Path) -> None:
    heavy = "psutil" if job == "demo" else "torch"
    (tmp_path / f"{heavy}.py").write_text(SLOW_MODULE)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    status, said = stop_at("importing", [sys.executable, f"jobs/{job}.py"], number, environment)
    assert (status, said.strip()) == (130, ONE_LINE)


def test_a_stop_before_any_work_leaves_no_run(tmp_path: Path) -> None:
    environment = {**os.environ, "SPG_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-u", "jobs/full_pipeline.py", "execution.backend=local", "data.images_per_class=4"]
    status, said = stop_at("images, 4 domains", command, signal.SIGTERM, environment)
    assert (status, said.strip()) == (130, ONE_LINE)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [STOPS[0], *(pytest.param(stop, marks=pytest.mark.faults) for stop in STOPS[1:])])
def test_a_stop_while_ray_works_ends_in_one_line_and_ends_ray(number: signal.Signals, tmp_path: Path) -> None:
    temporary = tmp_path / "a-path-that-is-too-long-for-the-sockets-of-ray"
    temporary.mkdir()
    environment = {**os.environ, "SPG_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary)}
    environment.pop("RAY_ADDRESS", None)
    (tmp_path / "home").touch()
    environment["HOME"] = str(tmp_path / "home")  # where Ray would put its token, and cannot
    interpreter = tmp_path / "mit Umläuten und Blanks"  # Ray puts its path into commands for a shell
    interpreter.symlink_to(sys.prefix, target_is_directory=True)
    status, said = stop_at("working", [str(interpreter / "bin" / "python"), "-c", IN_RAY], number, environment)
    assert status == 130
    assert said.strip().splitlines()[-1] == ONE_LINE
    assert "Traceback" not in said and "***" not in said


def test_who_was_started_with_nohup_goes_on_when_the_terminal_closes(tmp_path: Path) -> None:
    script = "import os, signal; from spg_dist.interruption import stop_in_one_line; stop_in_one_line(); "
    command = ["nohup", sys.executable, "-c", f"{script}os.kill(os.getpid(), signal.SIGHUP); print('goes on')"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"


def test_the_head_of_ray_address_that_is_gone_is_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "SPG_HOME": str(tmp_path), "RAY_ADDRESS": "127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", IN_RAY], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: no Ray head answers at RAY_ADDRESS=127.0.0.1:9 (Connection refused)")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_the_output_fails_for_no_letter(encoding: str, tmp_path: Path) -> None:
    script = (
        "from spg_dist.pipeline.errors import reported_errors\n"
        "from spg_dist.progress import Display\n"
        "with reported_errors(), Display() as display:\n"
        "    display.say('caf\\u00e9 \\u2192 \\udce9')\n"
        "    raise ValueError('na\\u00efve \\u2013 \\udce9')\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True)
    assert done.returncode == 1
    assert b"caf" in done.stdout and b"\\udce9" in done.stdout
    assert done.stderr.strip().startswith(b"error: na") and b"Traceback" not in done.stderr
