"""Encode a data set into the feature cache, and nothing else.

    ray job submit --working-dir . -- python jobs/encode.py --config paper-pacs data.root=/data/PACS name=pacs

Takes the configuration of full_pipeline.py. Encodes only what is missing: run it again after a crash, or with more
images.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from spg_dist.config import parse_config
from spg_dist.distributed.place import executor_for
from spg_dist.experiment.folder import open_run
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.phases import prepare_and_encode
from spg_dist.progress import Display, Stopwatch


def main(arguments: list[str]) -> None:
    config = parse_config(arguments, "encode.py", __doc__)
    with reported_errors(), open_run(config) as folder, executor_for(config) as executor, Display() as display:
        watch = Stopwatch(display, folder.costs, executor.machine(config))
        prepare_and_encode(config, folder, executor, watch)


if __name__ == "__main__":
    main(sys.argv[1:])
