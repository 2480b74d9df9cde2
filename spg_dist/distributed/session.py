"""Join the cluster this process was submitted to, or start a local one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from spg_dist.home import home, in_ray_job

# Ray reads these when it is imported: a trainer asks its workers for news every 0.2 s, which takes 8 s off every fit();
# no usage report is sent to anybody.
DEFAULTS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)

import ray as ray  # noqa: E402 - exported: whoever needs Ray takes it from here, after its environment is set


@contextmanager
def ray_session() -> Iterator[None]:
    """Ray for the length of a job: the cluster it was submitted to or that RAY_ADDRESS names, else a local one."""
    already = ray.is_initialized()
    if not already:
        # not Ray's own default, which also tries the last head started here, dead or alive, and waits for it
        joined = in_ray_job() or "RAY_ADDRESS" in os.environ
        ray.init(
            address=None if joined else "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
            configure_logging=False,
            # workers run in folders of their own: relative paths must lead them where they lead this process
            runtime_env={"env_vars": {"SPG_HOME": str(home())}},
        )
    try:
        yield
    finally:
        if not already:
            ray.shutdown()


def accelerators_of_cluster() -> float:
    """GPUs that the cluster has in all."""
    return float(ray.cluster_resources().get("GPU", 0))


def cpus_of_cluster() -> int:
    """CPUs that the cluster has in all."""
    return int(ray.cluster_resources().get("CPU", 1))
