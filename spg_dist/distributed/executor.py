"""The executor that spreads work over a Ray cluster: tasks for encoding and testing, Ray Train for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from spg_dist.config import Config
from spg_dist.distributed.machines import accelerators_of_nodes, processors_of_nodes
from spg_dist.distributed.session import accelerators_of_cluster, cpus_of_cluster, ray
from spg_dist.distributed.train import train_on_workers
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard
from spg_dist.experiment.experiment import Experiment, ExperimentBuilder
from spg_dist.experiment.runs import RunSpec, TestSpec
from spg_dist.pipeline.testing import TestedRun, test_run
from spg_dist.progress import Display, Machine

TASK_RETRIES = 3
WAITING_PER_SLOT = 3  # tasks submitted per slot: enough to keep workers busy, few enough that a stop is quick


class RayExecutor:
    """Work on the cluster that this process is connected to.

    Arguments:
        cpus, gpus: of one task or worker; gpus 0 = one if the cluster has any.
    """

    def __init__(self, cpus: int, gpus: float, workers: int, max_failures: int) -> None:
        self.cpus = cpus
        self.gpus = gpus or min(1.0, accelerators_of_cluster())
        self.slots = int(accelerators_of_cluster() / self.gpus) if self.gpus else max(1, cpus_of_cluster() // cpus)
        self.workers, self.max_failures = workers, max_failures

    def machine(self, config: Config) -> Machine:
        accelerators = accelerators_of_nodes() if self.gpus else ()
        return Machine(processors_of_nodes(), accelerators, self.workers or self.slots, self.cpus)

    def encode(self, tasks: list[ShardTask]) -> Iterable[ShardReport]:
        remote = ray.remote(encode_shard).options(
            num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TASK_RETRIES, retry_exceptions=False
        )
        return self._as_they_come(remote, [(task,) for task in tasks])

    def train(self, builder: ExperimentBuilder, specs: list[RunSpec], display: Display) -> None:
        workers = min(self.workers or self.slots, len(specs))
        train_on_workers(builder, specs, display, workers, self.cpus, self.gpus, self.max_failures)

    def test(self, builder: ExperimentBuilder, specs: list[TestSpec], display: Display) -> list[TestedRun]:
        stored = ray.put(builder)
        remote = ray.remote(_test_in_worker).options(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TASK_RETRIES)
        display.testing(len(specs))
        tested: dict[TestSpec, TestedRun] = {}
        for done in self._as_they_come(remote, [([stored], spec) for spec in specs]):
            tested[done.spec] = done
            display.run_tested(done.spec.name, done.accuracy)
        return [tested[spec] for spec in specs]

    def _as_they_come(self, remote: Any, calls: list[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of completion; a bounded number of calls is under way at a time."""
        waiting = iter(calls)
        running: list[ray.ObjectRef[Any]] = []
        try:
            while True:
                while len(running) < WAITING_PER_SLOT * self.slots and (call := next(waiting, None)):
                    running.append(remote.remote(*call))
                if not running:
                    return
                (done,), running = ray.wait(running, num_returns=1)
                yield _result(done)
        finally:
            for left in running:
                ray.cancel(left, force=True)


def _result(done: ray.ObjectRef[Any]) -> Any:
    """A task's result. What the user can mend is raised as it was in the worker, without Ray's account of where."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ValueError | OSError):
            raise error.cause from None
        raise


@lru_cache(maxsize=1)
def _experiment(stored: ray.ObjectRef[Any]) -> Experiment:
    builder: ExperimentBuilder = ray.get(stored)
    return builder.build()


def _test_in_worker(stored: list[ray.ObjectRef[Any]], spec: TestSpec) -> TestedRun:
    # the reference travels in a list: as a bare argument Ray would send the value, once a task
    return test_run(_experiment(stored[0]), spec)
