"""How long a pipeline takes to find that everything is cached: 10,000 images, the embedded CLIP.

    python -m benchmarks.warm_start                     # about two minutes on 2 cores
    python -m benchmarks.warm_start --images 1000

Draws the images, encodes them once (cold), then runs the same command again (warm), each in a process of its own.
Prints seconds from the start of `prepare` to the end of `encode`, and their ratio.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.claims import Claim, print_table

REPOSITORY = Path(__file__).resolve().parent.parent
CELLS = 8 * 4  # classes times domains of the embedded data set


def phases(home: str, images_per_class: int) -> tuple[float, str]:
    """Seconds of both phases of one job, and what it says of the cache."""
    settings = ["execution.backend=local", f"data.images_per_class={images_per_class}", "name=warm-start"]
    done = subprocess.run(
        [sys.executable, "-m", "jobs.encode", *settings],
        cwd=REPOSITORY,
        env={**os.environ, "SPG_HOME": home},
        capture_output=True,
        text=True,
        check=True,
    )
    took = re.findall(r"^(?:prepare|encode) took (?:(\d+) min )?([\d.]+) s", done.stdout, re.MULTILINE)
    seconds = sum(60 * int(minutes or 0) + float(rest) for minutes, rest in took)
    (summary,) = re.findall(r"^.*reused from the cache.*$", done.stdout, re.MULTILINE)
    return seconds, summary


def measure(images: int = 10_000) -> list[Claim]:
    """Draws the images, encodes them, and finds them encoded, twice."""
    per_class = max(4, round(images / CELLS))
    with tempfile.TemporaryDirectory() as home:
        cold, said_cold = phases(home, per_class)
        warm, said_warm = min(phases(home, per_class) for _ in range(2))
    return [
        Claim(
            claim=f"warm start: {per_class * CELLS:,} images, cold over warm",
            demand="a second start finds everything in seconds",
            measured=f"{warm:.1f} s ({said_warm}), cold {cold:.1f} s ({said_cold})",
            ratio=cold / warm,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    print_table(measure(parser.parse_args().images))


if __name__ == "__main__":
    main()
