"""CoCoOp on the pooled sources: a soft prompt that a small network shifts for every image."""

from __future__ import annotations

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.cocoop.prompts import Cocoop
from spg_dist.evaluation.prediction import Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.classifiers import classifier_predictor, classifier_training
from spg_dist.soft_prompt.initial import initial_prompt
from spg_dist.training.identity import RunIdentity
from spg_dist.training.seeds import torch_random


def _untrained(experiment: Experiment, spec: RunSpec) -> Cocoop:
    assert spec.seed is not None
    config, clip = experiment.config.cocoop, experiment.clip
    return Cocoop(
        encoder=experiment.encoder(config.n_ctx),
        initial_PW=initial_prompt(experiment.tower, clip.tokenizer, config.initial_text, config.n_ctx, spec.seed),
        feature_width=clip.feature_width,
        logit_scale=clip.logit_scale,
        random=torch_random(spec.seed, "cocoop meta-net"),
    )


def cocoop_training(experiment: Experiment, spec: RunSpec) -> tuple[ClassifierTraining, RunIdentity]:
    """The context and meta-net of one run."""
    return classifier_training(experiment, spec, experiment.config.cocoop, _untrained(experiment, spec))


def cocoop_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """Each image under its own prompt."""
    return classifier_predictor(experiment, spec, _untrained(experiment, spec))
