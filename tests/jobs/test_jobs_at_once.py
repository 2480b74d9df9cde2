"""Jobs that fill one cache at the same time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from spg_dist.embedded import write_drawn_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGES_PER_CLASS = 12


def test_two_jobs_at_once_encode_every_image_once(tmp_path: Path) -> None:
    write_drawn_dataset(tmp_path / "data" / f"drawn-{IMAGES_PER_CLASS}", IMAGES_PER_CLASS)
    settings = ["execution.backend=local", f"data.images_per_class={IMAGES_PER_CLASS}", "encode.shard_rows=16"]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "jobs.encode", *settings, f"name=job-{number}"],
            cwd=REPOSITORY,
            env={**os.environ, "SPG_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    printed = [job.communicate(timeout=120)[0] for job in jobs]
    counts = [re.search(r"(\d+) features encoded, (\d+) reused", text) for text in printed]
    assert all(count is not None for count in counts), printed
    encoded = [int(count[1]) for count in counts if count]
    everything = IMAGES_PER_CLASS * 8 * 4
    assert sum(encoded) == everything
    assert [int(count[1]) + int(count[2]) for count in counts if count] == [everything, everything]
