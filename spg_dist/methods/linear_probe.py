"""Linear probe: logistic regression on the features of the pooled sources."""

from __future__ import annotations

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.evaluation.prediction import Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.linear_probe.probe import LinearProbe
from spg_dist.methods.classifiers import classifier_predictor, classifier_training
from spg_dist.training.identity import RunIdentity


def _untrained(experiment: Experiment) -> LinearProbe:
    return LinearProbe(experiment.clip.feature_width, len(experiment.manifest.class_names))


def linear_probe_training(experiment: Experiment, spec: RunSpec) -> tuple[ClassifierTraining, RunIdentity]:
    """The probe of one run."""
    return classifier_training(experiment, spec, experiment.config.linear_probe, _untrained(experiment))


def linear_probe_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """The classes are those of training: the cross-dataset protocol leaves this method out."""
    return classifier_predictor(experiment, spec, _untrained(experiment))
