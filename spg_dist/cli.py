"""`spg-dist`: what needs no cluster. Encoding and training are jobs (see jobs/)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from jsonargparse import auto_cli

from spg_dist.data import DataConfig, check_dataset, render
from spg_dist.data.config import DatasetName
from spg_dist.experiment.errors import reported_errors

FAULTY = 1


def check_data(root: str, dataset: DatasetName = "auto", decode: bool = False) -> None:
    """Count a data set's images by domain and class beside the published counts; say what is missing or extra.

    Exits with status 1 where something is missing or faulty.

    Args:
        root: folder of the data set, or the folder that holds it
        dataset: the data set to expect; auto recognises it
        decode: also decode every image, and list those that cannot be read
    """
    report = check_dataset(DataConfig(dataset=dataset, root=root), decode=decode)
    render(report)
    if not report.ok:
        sys.exit(FAULTY)


COMMANDS: dict[str, Any] = {
    "data": {"_help": "look at a data set before anything is encoded", "check": check_data},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    with reported_errors():
        auto_cli(
            COMMANDS, args=list(arguments) if arguments is not None else None, prog="spg-dist", description=__doc__
        )
