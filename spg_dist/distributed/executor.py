"""The executor that spreads work over a Ray cluster: tasks for encoding, Ray Train's workers for training and tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spg_dist.config import Config
from spg_dist.distributed.machines import accelerators_of_nodes, processors_of_nodes
from spg_dist.distributed.session import accelerators_of_cluster, cpus_of_cluster, ray
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.runs import EvaluationSpec, RunSpec
from spg_dist.material import Material
from spg_dist.pipeline.testing import EvaluatedRun, test_run
from spg_dist.progress import Display, Machine
from spg_dist.run import run_of

if TYPE_CHECKING:
    from spg_dist.distributed.workers import Workers

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
        self._staff: Workers | None = None

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):  # a stop does not wait: the end of the session ends them
            self._dismiss()

    def machine(self, config: Config) -> Machine:
        accelerators = accelerators_of_nodes() if self.gpus else ()
        return Machine(processors_of_nodes(), accelerators, self.workers or self.slots, self.cpus)

    def encode(self, tasks: list[ShardTask]) -> Iterable[ShardReport]:
        remote = ray.remote(encode_shard).options(
            num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TASK_RETRIES, retry_exceptions=False
        )
        return self._as_they_come(remote, [(task,) for task in tasks])

    def train(self, builder: ExperimentBuilder, specs: list[RunSpec], display: Display) -> None:
        needed = min(self.workers or self.slots, len(specs))
        if self._staff is None or self._staff.number < needed:
            from spg_dist.distributed.workers import Workers  # Ray Train takes seconds to import: only where it is used

            self._dismiss()
            storage = builder.folder.root / "ray-train"
            self._staff = Workers(needed, self.cpus, self.gpus, self.max_failures, storage)
        self._staff.train(builder, specs, display)

    def _dismiss(self) -> None:
        """End the workers that train, whose places others need."""
        if self._staff:
            self._staff.dismiss()
        self._staff = None

    def test(self, builder: ExperimentBuilder, specs: Sequence[EvaluationSpec], display: Display) -> list[EvaluatedRun]:
        if self._staff:  # they have all at hand; to start them for a test alone would take longer than tasks do
            return self._staff.test(builder, specs, display)
        stored = ray.put(builder)
        remote = ray.remote(_test_in_worker).options(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TASK_RETRIES)
        display.testing(len(specs))
        tested: dict[EvaluationSpec, EvaluatedRun] = {}
        for done in self._as_they_come(remote, [([stored], spec) for spec in specs]):
            tested[done.spec] = done
            display.run_tested(done.spec.name, done.accuracy)
        return [tested[spec] for spec in specs]

    def _as_they_come(self, remote: Any, calls: list[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of completion; a bounded number of calls is under way at a time."""
        self._dismiss()
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
def _experiment(stored: ray.ObjectRef[Any]) -> tuple[Config, Material]:
    builder: ExperimentBuilder = ray.get(stored)
    return builder.config, builder.build()


def _test_in_worker(stored: list[ray.ObjectRef[Any]], spec: EvaluationSpec) -> EvaluatedRun:
    # the reference travels in a list: as a bare argument Ray would send the value, once a task
    return test_run(run_of(*_experiment(stored[0]), spec.run), spec.target)
