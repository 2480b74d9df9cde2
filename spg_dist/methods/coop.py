"""CoOp on the pooled sources (empirical risk minimisation): one soft prompt for every image."""

from __future__ import annotations

from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.prompt_label import soft_prompt_training
from spg_dist.soft_prompt.training import SoftPromptTraining


def coop_training(experiment: Experiment, spec: RunSpec) -> tuple[SoftPromptTraining, str]:
    """The pooled prompt for one target."""
    return soft_prompt_training(experiment, experiment.config.coop, experiment.sources(spec.where), "coop", spec)
