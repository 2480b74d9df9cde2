"""`make demo`: a Ray head of its own, the whole pipeline submitted to it on the embedded data, and the head gone again.

Takes the same arguments as full_pipeline.py. About 4 minutes on 2 cores; a second run encodes and trains nothing.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from spg_dist.distributed.local_head import local_head

REPOSITORY = Path(__file__).resolve().parent.parent
STOPPED = 130


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill is answered as Ctrl-C is
    print("starting a local Ray head (token authentication, localhost only) ...", flush=True)
    submission = f"spg-{uuid.uuid4().hex[:8]}"
    try:
        with local_head() as head:
            shown = " ".join(["python jobs/full_pipeline.py", *arguments])
            print(f"dashboard: {head.dashboard}\nray job submit --working-dir . -- {shown}", flush=True)
            job = head.submit(REPOSITORY, ["python", "jobs/full_pipeline.py", *arguments], submission)
            try:
                show_log(job)
                return job.wait()
            finally:
                if job.poll() is None:
                    print("\nstopping the job and the Ray head ...", file=sys.stderr, flush=True)
                    head.stop(submission)
                    job.terminate()
                    job.wait()
    except KeyboardInterrupt:
        print("\nstopped, with the Ray head; the same command goes on from here", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
