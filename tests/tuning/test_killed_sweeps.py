"""A sweep that is killed, driver or worker, ends with the trials of one that nothing disturbed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState
from tuning_material import a_space, arguments, configured, material, space_file, study_of, told
from tuning_material import sweep as sweep_here

from tuning.folder import SweepFolder
from tuning.trial import trial_config

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 200
SPACE = "stage2.dropout: {low: 0.0, high: 0.6}\nstage2.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}\n"
SETTINGS = ("seeds=[1]", "targets=[sketch,art]", "stage2.epochs=30", "tune.trials=3")


class Job:
    """`python jobs/tune.py`, watched from outside."""

    def __init__(self, given: list[str], log: Path) -> None:
        self.log = log
        command = [sys.executable, "jobs/tune.py", *given]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=stream, stderr=stream)
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    def wait_for(self, happened: Callable[[], object]) -> None:
        while not happened():
            assert self.process.poll() is None, f"the job ended too early:\n{self.log.read_text()}"
            assert time.monotonic() < self.deadline, f"it did not happen in time:\n{self.log.read_text()}"
            time.sleep(0.05)

    def workers(self) -> list[psutil.Process]:
        """The processes that trials run in."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                if "ImplicitFunc" in " ".join(process.cmdline()):
                    found.append(process)
        return found


def trials_of(sweep: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name=sweep.name, storage=f"sqlite:///{sweep / 'study.db'}").trials


@pytest.mark.faults
def test_a_sweep_whose_driver_and_worker_are_killed_ends_as_an_undisturbed_one(
    images: Path, home: Path, tmp_path: Path
) -> None:
    given = [*arguments(images, home), *SETTINGS, f"tune.space={space_file(tmp_path, SPACE)}"]
    sweep = home / "sweeps" / "killed"

    job = Job([*given, "name=killed"], tmp_path / "first.log")
    job.wait_for(lambda: list(sweep.glob("trials/1/checkpoints/spg-*")))
    workers = job.workers()
    job.process.kill()
    job.process.wait()
    psutil.wait_procs(workers, timeout=20)
    left = trials_of(sweep)
    assert [trial.state for trial in left] == [TrialState.COMPLETE, TrialState.RUNNING]

    job = Job([*given, "name=killed"], tmp_path / "second.log")
    job.wait_for(lambda: list(sweep.glob("trials/2/checkpoints/spg-*")) and job.workers())
    job.workers()[0].kill()  # Ray Tune runs the trial again, which goes on from its checkpoints
    assert job.process.wait(PATIENCE_SECONDS) == 0, job.log.read_text()
    assert "1 of 3 trials finished before" in job.log.read_text()
    killed = trials_of(sweep)
    assert killed[0].datetime_complete == left[0].datetime_complete, "a finished trial was repeated"
    assert killed[1].datetime_start == left[1].datetime_start

    config = trial_config(configured(images, home, *SETTINGS))
    undisturbed = study_of(tmp_path / "undisturbed.db", a_space(tmp_path, config, SPACE), config)
    sweep_here(undisturbed, config, material(config), SweepFolder(tmp_path / "undisturbed"))
    assert without_steps(killed) == without_steps(undisturbed.trials())


def without_steps(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    """Which epochs a trial told of depends on the clock where none is judged."""
    return [(*trial[:4], trial[5]) for trial in told(trials)]
