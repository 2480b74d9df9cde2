"""Linear probe: logistic regression on the features of the pooled sources, without the text side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spg_dist.methods import Method
from spg_dist.training.sgd import SgdConfig

if TYPE_CHECKING:
    from spg_dist.classifier.training import ClassifierTraining
    from spg_dist.evaluation.prediction import Predictor
    from spg_dist.methods.linear_probe.network import LinearProbe
    from spg_dist.run import Run


@dataclass(frozen=True)
class LinearProbeConfig(SgdConfig):
    """The linear probe: logistic regression on unit-norm features, by SGD. The paper gives no settings: these are this
    project's.

    On features of unit norm the loss is smooth enough for a rate of 1 (its curvature is below 1), and smaller ones
    leave the weights far too small to tell similar classes apart.
    """

    epochs: int = 50
    """Passes over the training features."""

    learning_rate: float = 1.0
    """Peak learning rate of SGD."""

    weight_decay: float = 0.0
    """Weight decay of SGD."""


class _LinearProbe(Method[LinearProbeConfig]):
    name, label, branch, settings = "linear-probe", "Linear probe", "linear_probe", LinearProbeConfig
    rank, colour = 20, "#f0e442"
    reads_class_names = False

    def training(self, run: Run[LinearProbeConfig]) -> ClassifierTraining:
        from spg_dist.classifier.method import classifier_training

        return classifier_training(run, self._untrained(run))

    def predictor(self, run: Run[LinearProbeConfig]) -> Predictor:
        from spg_dist.classifier.method import classifier_predictor

        return classifier_predictor(run, self._untrained(run))

    def _untrained(self, run: Run[LinearProbeConfig]) -> LinearProbe:
        from spg_dist.methods.linear_probe.network import LinearProbe

        return LinearProbe(run.material.clip.feature_width, len(run.material.manifest.class_names))


METHOD = _LinearProbe()
