"""Classify any images with a trained generator.

    python jobs/predict.py runs/pacs /data/new-photos sketch --seed 1 --output predictions.csv

The generator for target T was trained on all domains but T (in a single-source run: on T; in a cross-dataset run, T is
the data set it was trained on). No cluster is needed.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from jsonargparse import auto_cli

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.home import resolve
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.prediction import find_images, predict, write_predictions


def main(run: str, images: str, target: str, seed: int = 1, output: str = "predictions.csv") -> None:
    """Classify images with the generator of one run.

    Args:
        run: folder of the run, e.g. runs/demo
        images: an image, or a folder that is searched for images
        target: the domain that the generator was trained without, or what its protocol calls it by
        seed: the generator's seed
        output: CSV file to write, with columns image, predicted, set_aside
    """
    rows = predict(RunFolder(resolve(run)), RunSpec("spg", target, seed), find_images(resolve(images)))
    written = write_predictions(resolve(output), rows)
    print(f"{written} images: {resolve(output)}")


if __name__ == "__main__":
    with reported_errors():
        auto_cli(main, args=sys.argv[1:], prog="predict.py", description=__doc__)
