"""Training without a method in it: the loop, schedules, seeds, files."""

from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import (
    Metrics,
    RunGroup,
    RunPlan,
    TrainedRun,
    TrainingDiverged,
    finished_run,
    read_trained,
    replay,
    train,
)
from spg_dist.training.one_by_one import OneByOne, Trainable
from spg_dist.training.provenance import Provenance
from spg_dist.training.schedule import ScheduleConfig, learning_rates
from spg_dist.training.sgd import SgdConfig
from spg_dist.training.validation import ValidationConfig

__all__ = [
    "Metrics",
    "OneByOne",
    "Provenance",
    "RunGroup",
    "RunIdentity",
    "RunPlan",
    "ScheduleConfig",
    "SgdConfig",
    "Trainable",
    "TrainedRun",
    "TrainingDiverged",
    "ValidationConfig",
    "finished_run",
    "learning_rates",
    "read_trained",
    "replay",
    "train",
]
