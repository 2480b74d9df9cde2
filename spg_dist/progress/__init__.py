"""What a person sees while a job runs, and what its phases cost in all jobs of the run."""

from spg_dist.progress.costs import Costs, Machine, PhaseCost
from spg_dist.progress.display import Display
from spg_dist.progress.stopwatch import Stopwatch

__all__ = ["Costs", "Display", "Machine", "PhaseCost", "Stopwatch"]
