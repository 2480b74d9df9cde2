"""Training without a method in it: the loop, schedules, seeds, files."""

from spg_dist.training.loop import Metrics, Trainable, TrainedRun, TrainingDiverged, read_trained, train
from spg_dist.training.schedule import ScheduleConfig, learning_rates
from spg_dist.training.sgd import SgdConfig

__all__ = [
    "Metrics",
    "ScheduleConfig",
    "SgdConfig",
    "Trainable",
    "TrainedRun",
    "TrainingDiverged",
    "learning_rates",
    "read_trained",
    "train",
]
