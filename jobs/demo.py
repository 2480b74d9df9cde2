"""`make demo`: a Ray head of its own, the whole pipeline submitted to it on the embedded data, and the head gone again.

Takes the arguments of full_pipeline.py, whose --help explains them. Three to eight minutes on 2 cores; a second run
encodes and trains nothing.
"""

from __future__ import annotations

import io
import subprocess
import sys
import uuid
from pathlib import Path

if __name__ == "__main__":  # first: a stop from now on ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from spg_dist.distributed.local_head import local_head
from spg_dist.interruption import say, stops_ignored
from spg_dist.pipeline.errors import reported_errors

REPOSITORY = Path(__file__).resolve().parent.parent


def show_log(job: subprocess.Popen[bytes]) -> None:
    """Print the job's own lines; what the submitting command says about itself only if the job never starts."""
    assert job.stdout is not None
    before: list[str] = []
    started = ended = False
    for line in io.TextIOWrapper(job.stdout, encoding="utf-8", errors="replace", line_buffering=True):
        ended = ended or "WebSocket closed for job" in line  # what follows repeats the log
        if started and not ended:
            print(line, end="", flush=True)
        elif not started:
            before.append(line)
        started = started or line.startswith("Running entrypoint for job")
    if not started:
        print("".join(before), end="", file=sys.stderr)


def main(arguments: list[str]) -> int:
    return run_on_own_head("jobs/full_pipeline.py", ["name=demo", *arguments])


def run_on_own_head(job_file: str, arguments: list[str]) -> int:
    """Submit a job to a Ray head that lives as long as the job; returns the job's exit status."""
    shown = " ".join(["python", job_file, *arguments])
    submission = f"spg-{uuid.uuid4().hex[:8]}"
    print("starting a local Ray head (token authentication, localhost only) ...", flush=True)
    with reported_errors(), local_head() as head:
        print(f"dashboard: {head.dashboard}\nray job submit --working-dir . -- {shown}", flush=True)
        job = head.submit(REPOSITORY, ["python", job_file, *arguments], submission)
        try:
            show_log(job)
            return job.wait()
        finally:
            if job.poll() is None:
                with stops_ignored():
                    # the head's end takes the job with it: to ask for the job's first would be a wait for nothing
                    say("\nstopping the job and the Ray head ...\n")
                    job.terminate()
                    job.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
