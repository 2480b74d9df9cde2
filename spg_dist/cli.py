"""`spg-dist`: what needs no cluster. Encoding and training are jobs (see jobs/)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from jsonargparse import auto_cli

from cache.command_line import run as cache_command
from spg_dist.data import DataConfig, check_dataset, render
from spg_dist.data.config import DatasetName
from spg_dist.pipeline.errors import reported_errors

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
    # listed here for --help; `main` hands it to the cache, which has a command line of its own
    "cache": {
        "_help": "look after the feature cache: ls, info, verify, repair, compact, gc, convert, export, import",
        "ls": cache_command,
    },
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with reported_errors():
        if given[:1] == ["cache"]:
            sys.exit(cache_command(given[1:]))
        auto_cli(COMMANDS, args=given, prog="spg-dist", description=__doc__)
