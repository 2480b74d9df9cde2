"""DPL: a prompt for every domain, inferred from its images. Transductive: it reads test images, not labels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.dpl.prompts import Dpl, prompt_groups
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.classifiers import classifier_training, predict_with_classifier
from spg_dist.training import RunIdentity
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


def predict_with_dpl(experiment: Experiment, spec: RunSpec, rows_B: np.ndarray) -> Tensor:
    """Classes (1, B), each image under the mean prompt of its domain, or of its batch of `dpl.test_batch` images.

    Another data set's domains (cross-dataset) have a prompt each.
    """
    domain_B = np.asarray([experiment.manifest.images[i].domain for i in rows_B])
    group_B = prompt_groups(domain_B, experiment.config.dpl.test_batch)
    return predict_with_classifier(experiment, spec, _untrained(experiment, spec), rows_B, group_B)
