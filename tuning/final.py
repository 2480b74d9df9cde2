"""The final test: the defaults and the best configuration, on the targets that no trial has seen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cache.durable import write_text, written_whole
from spg_dist.config import Config, dump_config
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.executor import Executor
from spg_dist.pipeline.prepare import train
from spg_dist.pipeline.testing import EvaluatedRun
from spg_dist.progress import Display
from tuning.folder import SweepFolder
from tuning.outputs import without_sweep


@dataclass(frozen=True)
class Final:
    """How one configuration did on every target, with the run's own seeds.

    Arguments:
        number: the trial that the configuration is from.
    """

    number: int
    tested: list[EvaluatedRun]


def final_test(
    builder: ExperimentBuilder,
    number: int,
    config: Config,
    folder: SweepFolder,
    which: str,
    executor: Executor,
    display: Display,
) -> Final:
    """Train what the trial has not trained of the final seeds, and test it.

    Arguments:
        config: of the trial, with the run's own seeds and methods.
        which: "defaults" or "best".
    """
    config = replace(without_sweep(config), methods=[config.tune.method])
    place = folder.final(which)
    write_text(place.config, dump_config(config))
    mine = replace(builder, config=config, folder=place)
    adopt(folder.trial(number, config), place, mine.plan.trainings)
    for specs in (mine.plan.stage1, mine.plan.stage2):
        train(mine, specs, executor, display)
    tested = executor.test(mine, mine.plan.tests, display)
    return Final(number, tested)


def adopt(source: RunFolder, target: RunFolder, specs: Sequence[RunSpec]) -> None:
    """Copy finished runs; each carries the digest of what it was trained with, so a wrong one would be trained anew."""
    for spec in specs:
        found, place = source.artifact(spec), target.artifact(spec)
        if found.exists() and found != place:
            with written_whole(place) as temporary:
                shutil.copyfile(found, temporary)
