"""What a person sees while a job runs."""

from spg_dist.progress.costs import Costs, Machine, PhaseCost
from spg_dist.progress.display import Display
from spg_dist.progress.stopwatch import Stopwatch

__all__ = ["Costs", "Display", "Machine", "PhaseCost", "Stopwatch"]
