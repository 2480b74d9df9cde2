"""All methods by name: how each is trained, how it predicts, and which branch of the configuration is its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.gan.training import GeneratorTraining
from spg_dist.methods.cocoop import cocoop_training, predict_with_cocoop
from spg_dist.methods.coop import coop_run, predict_with_prompt
from spg_dist.methods.dpl import dpl_training, predict_with_dpl
from spg_dist.methods.linear_probe import linear_probe_training, predict_with_linear_probe
from spg_dist.methods.prompt_label import prompt_label_run
from spg_dist.methods.spg import generator_run, predict_with_generator
from spg_dist.methods.zero_shot import predict_zero_shot
from spg_dist.soft_prompt.training import SoftPromptTraining
from spg_dist.training import OneByOne, RunGroup, RunIdentity

Prediction = Callable[[Experiment, RunSpec, np.ndarray], Tensor]
"""Predicted classes (K, B) of B rows of the experiment's table, for K draws of noise (1 where nothing is random).

The experiment may be that of another data set than the run was trained on: then its classes are that data set's.
"""


@dataclass(frozen=True)
class TrainedMethod:
    """How a method trains.

    Arguments:
        section: the branch of the configuration with the method's hyperparameters.
        run: what one run is trained from, and the digest of all that determines its result.
        group: the program that trains several such runs together.
        alike: runs for which it gives the same are one group.
    """

    section: str
    run: Callable[[Experiment, RunSpec], tuple[Any, RunIdentity]]
    group: Callable[[list[Any]], RunGroup] = OneByOne
    alike: Callable[[Any], Hashable] = lambda run: None


TRAINED: dict[str, TrainedMethod] = {
    PROMPT_LABEL: TrainedMethod("stage1", prompt_label_run, SoftPromptTraining, lambda run: run.alike),
    "linear-probe": TrainedMethod("linear_probe", linear_probe_training),
    "coop": TrainedMethod("coop", coop_run, SoftPromptTraining, lambda run: run.alike),
    "cocoop": TrainedMethod("cocoop", cocoop_training),
    "dpl": TrainedMethod("dpl", dpl_training),
    "spg": TrainedMethod("stage2", generator_run, GeneratorTraining, lambda run: run.program),
}

PREDICTIONS: dict[str, Prediction] = {
    "zero-shot": predict_zero_shot,
    "zero-shot-ensemble": predict_zero_shot,
    "linear-probe": predict_with_linear_probe,
    "coop": predict_with_prompt,
    "cocoop": predict_with_cocoop,
    "dpl": predict_with_dpl,
    "spg": predict_with_generator,
}
