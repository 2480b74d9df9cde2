"""A run to its end: as many images as PACS has, of their size, through `jobs/full_pipeline.py`.

    python -m benchmarks.whole_run                   # two hours on 2 cores, so no part of `make bench`
    python -m benchmarks.whole_run --share 0.02      # minutes, to see that it works

The images are drawn and ViT-B/32's weights are random, one seed; all else is as the job has it by default.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.claims import Claim, print_table
from benchmarks.encode import PACS_SIDE, draw
from benchmarks.reference_cost import WHOLE_HOURS
from spg_dist.data.datasets.pacs import DATASET as PACS
from spg_dist.progress.duration import duration_text

REPOSITORY = Path(__file__).resolve().parents[1]


def draw_data_set(root: Path, share: float) -> int:
    """`<root>/<domain>/<class>/*.jpg`, so much of each domain's published count, spread over the classes.

    Whatever the share, each class has four images in a domain: its train and val splits need some.
    """
    counts = {domain: max(4 * PACS.class_count, round(share * count)) for domain, count in PACS.images.items()}
    drawn = iter(draw(root.with_name("drawn"), sum(counts.values()), PACS_SIDE))
    for domain, count in counts.items():
        for number in range(count):
            folder = root / domain / PACS.class_names[number % PACS.class_count]
            folder.mkdir(parents=True, exist_ok=True)
            next(drawn).rename(folder / f"{number}.jpg")
    return sum(counts.values())


def whole_run(share: float) -> Claim:
    """Draw the images, run the job, and hold its time against the published hours."""
    with tempfile.TemporaryDirectory() as home:
        images = draw_data_set(Path(home) / "pacs", share)
        settings = ["data.dataset=pacs", "data.root=pacs", "clip.model=ViT-B-32", "clip.pretrained=random", "seeds=[1]"]
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "jobs/full_pipeline.py", "name=whole-run", *settings],
            cwd=REPOSITORY,
            env={**os.environ, "SPG_HOME": home},
            check=True,
        )
        seconds = time.monotonic() - began
    return Claim(
        claim=f"whole run: {images:,} images, published hours over it",
        demand="at least 60, and within 4 hours on 2 cores",
        measured=duration_text(seconds),
        ratio=WHOLE_HOURS * 3600 / seconds if share == 1 else None,
        target=60,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of each domain's images")
    print_table([whole_run(parser.parse_args().share)])


if __name__ == "__main__":
    main()
