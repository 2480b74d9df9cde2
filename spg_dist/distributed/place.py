"""The executor that a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spg_dist.config import Config
from spg_dist.pipeline.executor import Executor, LocalExecutor


@contextmanager
def executor_for(config: Config) -> Iterator[Executor]:
    """Ray workers (joining the cluster of the job, or a local one), or this process."""
    execution = config.execution
    if execution.backend == "local":
        yield LocalExecutor()
        return
    from spg_dist.distributed.executor import RayExecutor  # Ray takes seconds to import: only where it is used
    from spg_dist.distributed.session import ray_session

    with (
        ray_session(),
        RayExecutor(
            cpus=execution.cpus_per_worker,
            gpus=execution.gpus_per_worker,
            workers=execution.workers,
            max_failures=execution.max_failures,
        ) as executor,
    ):
        yield executor
