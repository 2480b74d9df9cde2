"""What the methods that are classifiers over features share: training on the pooled sources, and the test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from spg_dist.classifier.training import Classifier, ClassifierTraining
from spg_dist.evaluation.prediction import ImageBatch, Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import read_trained
from spg_dist.training.sgd import SgdConfig


def classifier_training(
    experiment: Experiment, spec: RunSpec, config: SgdConfig, classifier: Classifier
) -> tuple[ClassifierTraining, RunIdentity]:
    """A classifier on the sources' train split, selected as the experiment says; with its identity."""
    assert spec.seed is not None
    train = experiment.source_rows(spec.where, "train", keep_left_out=True)
    val = experiment.selection_rows(spec.where, keep_left_out=True)
    judged = config.chosen(val, spec.seed)
    training = ClassifierTraining(config, experiment.table, train, judged, classifier, spec.seed, spec.method)
    rows = np.concatenate([train, val])
    return training, experiment.identity(spec.method, spec.where, spec.seed, config, rows)


def classifier_predictor(
    experiment: Experiment,
    spec: RunSpec,
    classifier: Classifier,
    groups: Callable[[ImageBatch], np.ndarray] | None = None,
) -> Predictor:
    """The run's trained weights, loaded into `classifier`.

    Arguments:
        groups: for a transductive method: which images belong together (B,).
    """
    classifier.load_state_dict(read_trained(experiment.folder.artifact(spec)).weights)
    classifier.to(experiment.clip.device)

    def logits(images: ImageBatch) -> Tensor:
        group_B = np.zeros(len(images), dtype=np.int64) if groups is None else groups(images)
        logits_BC: Tensor = classifier(images.x_BD, torch.from_numpy(group_B).to(images.x_BD.device))
        return logits_BC[None]

    return Predictor(logits, transductive=groups is not None)
