"""Linear probe: logistic regression on the features of the pooled sources."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.linear_probe.probe import LinearProbe
from spg_dist.methods.classifiers import classifier_training, predict_with_classifier
from spg_dist.training import RunIdentity


def _untrained(experiment: Experiment) -> LinearProbe:
    return LinearProbe(experiment.clip.feature_width, len(experiment.manifest.class_names))


def linear_probe_training(experiment: Experiment, spec: RunSpec) -> tuple[ClassifierTraining, RunIdentity]:
    """The probe of one run."""
    return classifier_training(experiment, spec, experiment.config.linear_probe, _untrained(experiment))


def predict_with_linear_probe(experiment: Experiment, spec: RunSpec, rows_B: np.ndarray) -> Tensor:
    """Classes (1, B), which are those of training: the cross-dataset protocol leaves this method out."""
    return predict_with_classifier(experiment, spec, _untrained(experiment), rows_B, np.zeros_like(rows_B))
