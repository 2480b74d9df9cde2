"""What the methods that are classifiers over features share: training on the pooled sources, and the test."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spg_dist.classifier.training import Classifier, ClassifierTraining
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.training import RunIdentity, SgdConfig, read_trained


def classifier_training(
    experiment: Experiment, spec: RunSpec, config: SgdConfig, classifier: Classifier
) -> tuple[ClassifierTraining, RunIdentity]:
    """A classifier on the sources' train split, selected as the experiment says; with its identity."""
    assert spec.seed is not None
    table = experiment.table
    train = table.rows(experiment.sources(spec.where), {"train"})
    val = experiment.selection_rows(spec.where, keep_left_out=True)
    judged = config.chosen(val, spec.seed)
    training = ClassifierTraining(config, table, train, judged, classifier, spec.seed, spec.method)
    rows = np.concatenate([train, val])
    return training, experiment.identity(spec.method, spec.where, spec.seed, config, rows)


@torch.no_grad()
def predict_with_classifier(
    experiment: Experiment, spec: RunSpec, classifier: Classifier, rows_B: np.ndarray, group_B: np.ndarray
) -> Tensor:
    """Classes (1, B) that the run's trained weights, loaded into `classifier`, give to some rows.

    Arguments:
        group_B: which rows belong together (DPL).
    """
    classifier.load_state_dict(read_trained(experiment.folder.artifact(spec)).weights)
    x_BD = experiment.table.features(rows_B)
    logits_BC: Tensor = classifier.to(x_BD.device)(x_BD, torch.from_numpy(group_B).to(x_BD.device))
    return logits_BC.argmax(dim=-1)[None]
