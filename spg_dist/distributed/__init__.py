"""The only room of spg_dist that knows Ray: it decides where the work runs."""

from spg_dist.distributed.executor import RayExecutor

__all__ = ["RayExecutor"]
