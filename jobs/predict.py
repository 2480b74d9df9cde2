"""Classify any images with a trained generator.

    python jobs/predict.py runs/pacs /data/new-photos sketch --seed 1 --output predictions.csv

The generator for target T was trained on all domains but T (in a single-source run: on T; in a cross-dataset run, T is
the data set it was trained on). No cluster is needed.
"""

from __future__ import annotations

import argparse
import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from rich.console import Console
from rich.progress import track

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.home import resolve
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.prediction import find_images, predict, require_writable, write_predictions

SHOWN = 10  # images that cannot be read; the file lists all


def main(run: str, images: str, target: str, seed: int = 1, output: str = "predictions.csv") -> None:
    """Classify images with the generator of one run, and say how many there were."""
    path, found = resolve(output), find_images(resolve(images))
    require_writable(path)
    rows = predict(RunFolder(resolve(run)), RunSpec("spg", target, seed), found)
    written = write_predictions(path, track(rows, "classifying", len(found), console=Console(stderr=True)))
    unread = [row for row in written if row.set_aside]
    print(f"classified {len(written) - len(unread)} of {len(written)} images, {len(unread)} could not be read: {path}")
    for row in unread[:SHOWN]:
        print(f"set aside: {row.image}: {row.set_aside}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="predict.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of the run, e.g. runs/demo")
    parser.add_argument("images", help="an image, or a folder that is searched for images")
    parser.add_argument("target", help="the domain that the generator was trained without (see above)")
    parser.add_argument("--seed", type=int, default=1, help="the generator's seed (default 1)")
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help="CSV file to write, with columns image, predicted, score, set_aside (default predictions.csv)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = parse(sys.argv[1:])
    with reported_errors():
        main(**vars(given))
