"""A job that is killed in every phase and submitted again ends with the results of one that was never disturbed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from spg_dist.distributed.local_head import LocalHead
from spg_dist.evaluation.results import ResultRow, read_results
from spg_dist.processor import processor

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = [
    "data.images_per_class=8",
    "targets=[sketch,art]",
    "seeds=[1]",
    "stage1.epochs=12",
    "coop.epochs=2",
    "stage2.epochs=30",
    "encode.shard_rows=4",
    "encode.views=1",
    "execution.checkpoint_seconds=0",
]
PATIENCE_SECONDS = 150


class Job:
    """A submitted job, watched from outside and killed as a power cut would: SIGKILL, no farewell."""

    def __init__(self, head: LocalHead, home: Path, name: str, log: Path) -> None:
        self.home, self.log = home, log
        entrypoint = ["python", "jobs/full_pipeline.py", *SETTINGS, "name=killed", "cache.root=killed-cache"]
        self.process = head.submit(REPOSITORY, entrypoint, name, stdout=log.open("wb"))

    def wait_for(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert self.process.poll() is None, f"the job ended too early:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"it did not happen in time:\n{self.log.read_text()}"
            time.sleep(0.05)

    def kill_driver(self) -> None:
        for process in processes_of(self.home):
            command = process.info["cmdline"] or []
            if "jobs/full_pipeline.py" in command and "name=killed" in command and "submit" not in command:
                process.kill()
        assert self.process.wait(PATIENCE_SECONDS) != 0


def processes_of(home: Path) -> list[psutil.Process]:
    """Of this test's head and jobs alone: other tests may run at the same time."""
    found = psutil.process_iter(["cmdline", "environ"])
    return [process for process in found if (process.info["environ"] or {}).get("SPG_HOME") == str(home)]


def training_workers(home: Path) -> list[psutil.Process]:
    """Processes of Ray Train's workers."""
    return [p for p in processes_of(home) if "RayTrainWorker" in " ".join(p.info["cmdline"] or [])]


def comparable(rows: list[ResultRow]) -> list[tuple[object, ...]]:
    """Rows less their times."""
    return sorted((row.target, row.method, row.seed or 0, row.accuracy, row.n, row.val_accuracy or 0.0) for row in rows)


@pytest.mark.faults
def test_a_job_killed_in_every_phase_ends_with_the_results_of_an_undisturbed_run(
    head: LocalHead, home: Path, tmp_path: Path
) -> None:
    run, cache = home / "runs" / "killed", home / "killed-cache"

    def count(pattern: str, folder: Path = run) -> int:
        return len(list(folder.glob(pattern)))

    job = Job(head, home, "killed-in-encode", tmp_path / "encode.log")
    job.wait_for(lambda: count("**/*.arrow", cache) - count("digests/*.arrow", cache) >= 2)
    job.kill_driver()
    shards = count("**/*.arrow", cache)
    assert "256 features encoded" not in job.log.read_text()
    assert not run.joinpath("prompt_labels").exists()

    job = Job(head, home, "killed-in-stage-1", tmp_path / "stage1.log")
    job.wait_for(lambda: count("checkpoints/prompt-label-*.safetensors") > 0)
    job.kill_driver()
    encoded = [line for line in job.log.read_text().splitlines() if "features encoded" in line]
    assert encoded and not encoded[0].startswith("435 "), (
        f"nothing of the first job's {shards} shards was used: {encoded}"
    )
    assert count("prompt_labels/*.safetensors") < 4

    job = Job(head, home, "killed-in-stage-2", tmp_path / "stage2.log")
    job.wait_for(lambda: count("checkpoints/spg-*.safetensors") > 0)
    job.kill_driver()
    assert count("generators/*.safetensors") < 2

    job = Job(head, home, "to-the-end", tmp_path / "end.log")
    job.wait_for(lambda: count("checkpoints/spg-*.safetensors") > 0 and training_workers(home) != [])
    training_workers(home)[0].kill()  # one worker dies: Ray Train starts the group again, the job goes on by itself
    assert job.process.wait(PATIENCE_SECONDS) == 0, job.log.read_text()
    assert "0 features encoded" in job.log.read_text()
    summary = (run / "summary.md").read_text()
    # what the killed job took is part of what the stage took
    assert re.search(r"^- stage 1: .* epochs trained, in 2 jobs\)$", summary, re.M), summary
    assert processor() in summary

    undisturbed = ["name=undisturbed", "cache.root=undisturbed-cache", "execution.backend=local"]
    command = [sys.executable, "-m", "jobs.full_pipeline", *SETTINGS, *undisturbed]
    subprocess.run(command, cwd=REPOSITORY, env=head.environment, check=True, capture_output=True)
    other = home / "runs" / "undisturbed"
    assert comparable(read_results(run / "results.csv")) == comparable(read_results(other / "results.csv"))
    for kind in ("prompt_labels", "generators", "coop"):
        names = sorted(path.name for path in (other / kind).iterdir())
        assert names == sorted(path.name for path in (run / kind).iterdir())
        for name in names:
            expected, found = load_file(other / kind / name), load_file(run / kind / name)
            assert all((expected[key] == found[key]).all() for key in expected), f"{kind}/{name} differs"
    assert count("checkpoints/*") == 0
    assert count("**/*.tmp") == 0
