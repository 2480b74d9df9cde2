"""Search for better hyperparameters on features that are encoded once: a sweep by Ray Tune and Optuna.

    ray job submit --working-dir . -- python jobs/tune.py --config paper-pacs data.root=/data/PACS tune.trials=50
    python jobs/tune.py tune.trials=20 tune.space=joint tune.asha.enabled=true

Takes the configuration of full_pipeline.py; trial 0 is that configuration as it is. Leaves
`sweeps/<name>/{trials.csv,best.yaml,report.html,study.db}`. The same command after a crash goes on where it stopped;
with more trials it goes on behind the last.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from spg_dist.config import parse_config
from spg_dist.distributed.place import executor_for
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.phases import prepare_and_encode
from spg_dist.progress import Display, Stopwatch
from tuning.folder import SweepFolder
from tuning.sweep import plan_sweep


def main(arguments: list[str]) -> None:
    config = parse_config(arguments, "tune.py", __doc__)
    with reported_errors():
        sweep = plan_sweep(config)
        folder = SweepFolder.of(config).final("best")
        with executor_for(config) as executor, Display() as display:
            watch = Stopwatch(display)
            builder, _ = prepare_and_encode(config, folder, executor, watch)
            with watch.phase("tune: trials, then the final test"):
                sweep.run(builder, executor, display)


if __name__ == "__main__":
    main(sys.argv[1:])
