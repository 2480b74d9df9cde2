"""Classify any images with what a run trained.

    python jobs/predict.py runs/pacs /data/new-photos sketch --seed 1 --output predictions.csv

What was trained for target T saw all domains but T (in a single-source run: T alone; in a cross-dataset run, T is the
data set it was trained on). Every method of the run has its say, under the run's own settings of the test: how often
noise is drawn, and from what. An image's answer depends on that image alone, but for transductive methods (dpl), which
take the given images as one set. No cluster is needed.
"""

from __future__ import annotations

import argparse
import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from rich.console import Console
from rich.progress import Progress

from cache.extensions import load_plugins
from spg_dist.experiment.folder import RunFolder
from spg_dist.home import resolve
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.prediction import find_images, predict, require_writable, write_predictions

SHOWN = 10  # images that cannot be read; the file lists all


def main(
    run: str,
    images: str,
    target: str,
    seed: int = 1,
    output: str = "predictions.csv",
    methods: list[str] | None = None,
    plugins: list[str] | None = None,
) -> None:
    """Classify images with the methods of one run, and say how many there were."""
    load_plugins(plugins or [])
    path, (found, other_formats) = resolve(output), find_images(resolve(images))
    require_writable(path)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("encoding", total=len(found))
        predictions = predict(
            RunFolder(resolve(run)), target, seed, methods or [], found, lambda images: bar.advance(task, images)
        )
    write_predictions(path, predictions)
    unread = predictions.set_aside
    print(
        f"classified {len(found) - len(unread)} of {len(found)} images by {', '.join(predictions.said)}; "
        f"{len(unread)} could not be read: {path}"
    )
    for method in predictions.transductive:
        print(
            f"{method}: its answers depend on these {len(found) - len(unread)} images together: it took them as one set"
        )
    if other_formats:
        print(f"passed over, in formats that are not read: {len(other_formats)}, e.g. {other_formats[0]}")
    for i, reason in list(unread.items())[:SHOWN]:
        print(f"set aside: {found[i]}: {reason}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="predict.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of the run, e.g. runs/demo")
    parser.add_argument("images", help="an image, or a folder that is searched for images")
    parser.add_argument("target", help="the domain that training left out (see above)")
    parser.add_argument("--seed", type=int, default=1, help="seed of what was trained (default 1)")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="of the run's methods, these (default: all)")
    parser.add_argument("--plugins", nargs="+", metavar="FILE", help="the run's own, if you trust them")
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help="CSV file to write, a row for each image and method (default predictions.csv)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = parse(sys.argv[1:])
    with reported_errors():
        main(**vars(given))
