"""What the methods that are classifiers over features share: training on the pooled sources, and the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spg_dist.classifier.training import Classifier, ClassifierTraining
from spg_dist.evaluation.prediction import ImageBatch, Predictor
from spg_dist.run import Run


def classifier_training(run: Run[Any], classifier: Classifier) -> ClassifierTraining:
    """A classifier on the sources' train split, selected as the experiment says."""
    table, name = run.material.table, run.spec.method
    return ClassifierTraining(run.settings, table, run.train_rows, run.judged_rows, classifier, run.seed, name)


def classifier_predictor(
    run: Run[Any], classifier: Classifier, groups: Callable[[ImageBatch], np.ndarray] | None = None
) -> Predictor:
    """The run's trained weights, loaded into `classifier`.

    Arguments:
        groups: for a transductive method: which images belong together (B,).
    """
    classifier.load_state_dict(run.weights())
    classifier.to(run.material.clip.device)

    def logits(images: ImageBatch) -> Tensor:
        group_B = np.zeros(len(images), dtype=np.int64) if groups is None else groups(images)
        logits_BC: Tensor = classifier(images.x_BD, torch.from_numpy(group_B).to(images.x_BD.device))
        return logits_BC[None]

    return Predictor(logits, transductive=groups is not None)
