"""Training on Ray Train: one `fit()` carries many runs, spread over its workers; each resumes from its own checkpoint.

A `fit()` costs over ten seconds before it does anything, so it carries as many runs as there are. Every run checkpoints
itself into the run's folder: when a worker dies, Ray Train starts the group again, finished runs are found finished and
the others go on from their last checkpoint, as they do when the whole job is killed and submitted again.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import Any

import torch

from spg_dist.distributed.session import interruptible, ray
from spg_dist.experiment.experiment import ExperimentBuilder
from spg_dist.experiment.runs import RunSpec
from spg_dist.pipeline.curves import CurveWriter
from spg_dist.pipeline.training import RunsFailed, epochs_of, train_runs
from spg_dist.progress import Display

from ray.train import FailureConfig, RunConfig, ScalingConfig  # isort: skip - after session has set Ray's environment
from ray.train.torch import TorchTrainer  # isort: skip
from ray.util.queue import Empty, Queue  # isort: skip


@dataclass(frozen=True)
class EpochDone:
    """One epoch of one run, on its way from a worker to the driver."""

    spec: RunSpec
    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class RunResumed:
    """A run that resumes after so many epochs, and what has changed since."""

    spec: RunSpec
    epochs: int
    changes: str


@dataclass(frozen=True)
class RunFailed:
    """A run that cannot go on, whatever is restarted: its configuration or data are at fault."""

    spec: RunSpec
    reason: str


def train_on_workers(
    builder: ExperimentBuilder,
    specs: list[RunSpec],
    display: Display,
    workers: int,
    cpus: int,
    gpus: float,
    max_failures: int,
) -> None:
    """Train all runs in one `fit()`.

    Raises:
        RunsFailed: some runs diverged or could not write their files; the others are finished.
    """
    events = Queue(actor_options={"num_cpus": 0})
    listener = Listener(events, builder, display)
    display.training(len(specs), epochs_of(builder.config, specs))
    trainer = TorchTrainer(
        _train_in_worker,
        # references in lists: Ray must not fetch them for us
        train_loop_config={"builder": [ray.put(builder)], "specs": specs, "events": events, "threads": cpus},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": cpus, **({"GPU": gpus} if gpus > 0 else {})},
        ),
        run_config=RunConfig(
            # a name of its own: Ray Train would take an old one for a run to go on with, and ours resume by themselves
            name=f"fit-{uuid.uuid4().hex[:12]}",
            storage_path=str(builder.folder.root / "ray-train"),
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    )
    with listener:
        interruptible(trainer.fit)
    events.shutdown()
    if listener.failed:
        raise RunsFailed("; ".join(failure.reason for failure in listener.failed))


def _train_in_worker(config: dict[str, Any]) -> None:
    context = ray.train.get_context()
    torch.set_num_threads(config["threads"])
    builder: ExperimentBuilder = ray.get(config["builder"][0])
    experiment = builder.build()
    events: Queue = config["events"]
    mine: list[RunSpec] = config["specs"][context.get_world_rank() :: context.get_world_size()]
    train_runs(
        experiment,
        mine,
        report=lambda spec, epoch, metrics: events.put(EpochDone(spec, epoch, metrics)),
        # the user's to mend: no restart would help, and other runs can go on
        failed=lambda spec, error: events.put(RunFailed(spec, str(error))),
        resumed=lambda spec, epochs, changes: events.put(RunResumed(spec, epochs, changes)),
    )
    ray.train.report({"runs": len(mine)})


class Listener:
    """Shows what workers report, from a thread of the driver while `fit()` blocks it."""

    def __init__(self, events: Queue, builder: ExperimentBuilder, display: Display) -> None:
        self.events, self.display = events, display
        self.curves = CurveWriter(builder.folder)
        self.failed: list[RunFailed] = []
        self._seen: set[tuple[RunSpec, int]] = set()
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="training events", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        if kind is not KeyboardInterrupt:  # else the workers go on, and so would their news
            self._thread.join()
        self.curves.__exit__(None, None, None)
        if self._error is not None:
            raise self._error

    def _listen(self) -> None:
        try:
            self._take_all()
        except BaseException as error:  # raised again by the driver's own thread
            self._error = error

    def _take_all(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                self._take(self.events.get(timeout=0.5))
            except Empty:
                if stopping:
                    return

    def _take(self, event: EpochDone | RunResumed | RunFailed) -> None:
        if isinstance(event, RunFailed):
            self.failed.append(event)
            return
        if isinstance(event, RunResumed):
            uncounted = sum((event.spec, epoch) not in self._seen for epoch in range(event.epochs))
            self.display.run_resumed(event.spec.name, event.epochs, uncounted, event.changes)
            return
        self.curves.write(event.spec, event.epoch, event.metrics)
        if (event.spec, event.epoch) not in self._seen:
            self._seen.add((event.spec, event.epoch))
            self.display.epoch_done(event.spec.name, event.epoch, event.metrics)
