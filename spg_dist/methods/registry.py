"""All methods by name: how each is trained, how it predicts, and which branch of the configuration is its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

from spg_dist.evaluation.prediction import Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.gan.training import GeneratorTraining
from spg_dist.methods.cocoop import cocoop_predictor, cocoop_training
from spg_dist.methods.coop import coop_predictor, coop_run
from spg_dist.methods.dpl import dpl_predictor, dpl_training
from spg_dist.methods.linear_probe import linear_probe_predictor, linear_probe_training
from spg_dist.methods.prompt_label import prompt_label_run
from spg_dist.methods.spg import generator_run, spg_predictor
from spg_dist.methods.zero_shot import zero_shot_predictor
from spg_dist.soft_prompt.training import SoftPromptTraining
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import RunGroup
from spg_dist.training.one_by_one import OneByOne


@dataclass(frozen=True)
class TrainedMethod:
    """How a method trains.

    Arguments:
        section: the branch of the configuration with the method's hyperparameters.
        run: what one run is trained from, and the digest of all that determines its result.
        group: the program that trains several such runs together.
        prompts: how many go through the text tower in training: one for each step, for each image, or none.
        judged_by_image: whether each image has its own prompt in validation and test.
        alike: runs for which it gives the same are one group.
    """

    section: str
    run: Callable[[Experiment, RunSpec], tuple[Any, RunIdentity]]
    prompts: Literal["a step", "an image", "none"]
    judged_by_image: bool
    group: Callable[[list[Any]], RunGroup] = OneByOne
    alike: Callable[[Any], Hashable] = lambda run: None


TRAINED: dict[str, TrainedMethod] = {
    PROMPT_LABEL: TrainedMethod("stage1", prompt_label_run, "a step", False, SoftPromptTraining, lambda run: run.alike),
    "linear-probe": TrainedMethod("linear_probe", linear_probe_training, "none", False),
    "coop": TrainedMethod("coop", coop_run, "a step", False, SoftPromptTraining, lambda run: run.alike),
    "cocoop": TrainedMethod("cocoop", cocoop_training, "an image", True),
    "dpl": TrainedMethod("dpl", dpl_training, "a step", False),
    "spg": TrainedMethod("stage2", generator_run, "none", True, GeneratorTraining, lambda run: run.program),
}

PREDICTORS: dict[str, Callable[[Experiment, RunSpec], Predictor]] = {
    "zero-shot": zero_shot_predictor,
    "zero-shot-ensemble": zero_shot_predictor,
    "linear-probe": linear_probe_predictor,
    "coop": coop_predictor,
    "cocoop": cocoop_predictor,
    "dpl": dpl_predictor,
    "spg": spg_predictor,
}
"""A trained method, ready to classify. The experiment may be that of another data set than the run was trained on: then
its classes are that data set's."""
