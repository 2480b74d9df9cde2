"""The whole of Soft Prompt Generation: encode once, learn the prompt labels, train the generator, test, report.

    ray job submit --working-dir . -- python jobs/full_pipeline.py
    ray job submit --working-dir . -- python jobs/full_pipeline.py --config paper-pacs data.root=/data/PACS name=pacs

Any field of the configuration is set by `branch.field=value`; `--help` explains them all, `--print-config` shows the
result. `--plan` says what would be encoded and trained, what is finished and what it would cost, and does none of it.
The same command after a crash resumes where it stopped; a second run encodes nothing. `tune.trials=50` puts a search
for better hyperparameters before the training.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # first: a stop during the imports below, which take seconds, ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from spg_dist.config import Config, parse_config
from spg_dist.distributed.place import executor_for
from spg_dist.experiment.folder import RunFolder, open_run
from spg_dist.pipeline.errors import reported_errors
from spg_dist.pipeline.executor import Executor
from spg_dist.pipeline.phases import prepare_and_encode, test_and_report, train_both_stages
from spg_dist.pipeline.planning import say_plan
from spg_dist.progress import Display, Stopwatch
from tuning.sweep import plan_sweep


def main(arguments: list[str]) -> None:
    fields = [argument for argument in arguments if argument != "--plan"]
    config = parse_config(fields, "full_pipeline.py", __doc__)
    if fields != arguments:
        with reported_errors(), Display() as display:
            say_plan(config, display)
        return
    with reported_errors(), open_run(config) as folder, executor_for(config) as executor, Display() as display:
        run(config, folder, executor, Stopwatch(display, folder.costs, executor.machine(config)))


def run(config: Config, folder: RunFolder, executor: Executor, watch: Stopwatch) -> None:
    """The method's story, a line a step."""
    sweep = plan_sweep(config) if config.tune.trials else None
    builder, summary = prepare_and_encode(config, folder, executor, watch)
    if sweep:
        with watch.phase("tune: hyperparameters, by the source domains alone"):
            builder = sweep.run(builder, executor, watch.display)
    train_both_stages(builder, executor, watch)
    test_and_report(builder, summary, executor, watch)


if __name__ == "__main__":
    main(sys.argv[1:])
