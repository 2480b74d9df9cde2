"""CoOp on the pooled sources: one soft prompt for every image."""

from __future__ import annotations

from spg_dist.evaluation.prediction import Predictor, text_predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.prompt_label import soft_prompt_run
from spg_dist.soft_prompt.training import SoftPromptRun
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import read_trained


def coop_run(experiment: Experiment, spec: RunSpec) -> tuple[SoftPromptRun, RunIdentity]:
    """CoOp's prompt of one run."""
    train = experiment.source_rows(spec.where, "train", keep_left_out=True)
    val = experiment.selection_rows(spec.where, keep_left_out=True)
    return soft_prompt_run(experiment, experiment.config.coop, train, val, "coop", spec)


def coop_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """All images under the learned prompt."""
    prompt = read_trained(experiment.folder.artifact(spec)).weights["prompt"]
    return text_predictor(experiment.prompt_texts(prompt), experiment.clip.logit_scale)
