"""DPL: a prompt for every domain, inferred from its images. Transductive: it reads test images, not labels."""

from __future__ import annotations

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.dpl.prompts import Dpl, prompt_groups
from spg_dist.evaluation.prediction import Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.classifiers import classifier_predictor, classifier_training
from spg_dist.training.identity import RunIdentity
from spg_dist.training.seeds import torch_random


def _untrained(experiment: Experiment, spec: RunSpec) -> Dpl:
    assert spec.seed is not None
    config = experiment.config.dpl
    return Dpl(
        encoder=experiment.encoder(config.n_ctx),
        feature_width=experiment.clip.feature_width,
        hidden_width=config.hidden_width,
        prompt_shape=(config.n_ctx, experiment.tower.width),
        logit_scale=experiment.clip.logit_scale,
        random=torch_random(spec.seed, "dpl network"),
    )


def dpl_training(experiment: Experiment, spec: RunSpec) -> tuple[ClassifierTraining, RunIdentity]:
    """The prompt network of one run."""
    return classifier_training(experiment, spec, experiment.config.dpl, _untrained(experiment, spec))


def dpl_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """Each image under the mean prompt of its domain, or of its batch of `dpl.test_batch` images.

    Another data set's domains (cross-dataset) have a prompt each; images given to predict.py are one domain.
    """
    test_batch = experiment.config.dpl.test_batch
    return classifier_predictor(
        experiment, spec, _untrained(experiment, spec), lambda images: prompt_groups(images.domain_B, test_batch)
    )
