"""Where the work runs. The algorithms are the same: an executor only decides in which processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch

from spg_dist.clip.load import pick_device
from spg_dist.config import Config
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.runs import EvaluationSpec, RunSpec
from spg_dist.pipeline.events import TrainingWatch
from spg_dist.pipeline.testing import EvaluatedRun, test_run
from spg_dist.pipeline.training import epochs_of, train_runs
from spg_dist.processor import processor
from spg_dist.progress import Display, Machine
from spg_dist.run import run_of, runs_of


class Executor(Protocol):
    """Runs the three kinds of work of an experiment."""

    def machine(self, config: Config) -> Machine:
        """What the work is done on."""

    def encode(self, tasks: list[ShardTask]) -> Iterable[ShardReport]:
        """Encode shards, yielding reports as they come."""

    def train(self, builder: ExperimentBuilder, specs: list[RunSpec], display: Display) -> None:
        """Train runs to their files in the run's folder. Raises RunsFailed, or the error of the one run that failed."""

    def test(self, builder: ExperimentBuilder, specs: Sequence[EvaluationSpec], display: Display) -> list[EvaluatedRun]:
        """Test runs, in the order of `specs`."""


class LocalExecutor:
    """Everything in this process: for a notebook or a debugger."""

    def machine(self, config: Config) -> Machine:
        device = pick_device(config.clip.device)
        accelerators = () if device.type == "cpu" else (_name_of(device),)
        return Machine((processor(),), accelerators, workers=1, threads=config.execution.cpus_per_worker)

    def encode(self, tasks: list[ShardTask]) -> Iterable[ShardReport]:
        return map(encode_shard, tasks)

    def train(self, builder: ExperimentBuilder, specs: list[RunSpec], display: Display) -> None:
        torch.set_num_threads(builder.config.execution.cpus_per_worker)
        material = builder.build()
        display.training(len(specs), epochs_of(builder.config, specs))
        watch = TrainingWatch(builder.folder, display)
        train_runs(runs_of(builder.config, material, specs), watch)
        watch.finish()

    def test(self, builder: ExperimentBuilder, specs: Sequence[EvaluationSpec], display: Display) -> list[EvaluatedRun]:
        torch.set_num_threads(builder.config.execution.cpus_per_worker)
        material = builder.build()
        display.testing(len(specs))
        tested = []
        for spec in specs:
            tested.append(test_run(run_of(builder.config, material, spec.run), spec.target))
            display.run_tested(spec.name, tested[-1].accuracy)
        return tested


def _name_of(device: torch.device) -> str:
    """Its model; of a device that is not there, which is refused where it is used first, what it was called."""
    there = device.type == "cuda" and (device.index or 0) < torch.cuda.device_count()
    return torch.cuda.get_device_name(device) if there else str(device)
