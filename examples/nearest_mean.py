"""Nearest class mean: an image is of the class whose training images have the nearest mean feature. A method in a file.

    python jobs/full_pipeline.py name=means plugins=[examples/nearest_mean.py] methods=[zero-shot,nearest-mean,spg]

It is fitted in one go, draws nothing at random and has a hyperparameter; its learned weights are a file as any other
method's, so the test, resuming, sweeps and predict.py work.

Shape suffixes: N training images, B images, C classes, D feature width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spg_dist.evaluation.prediction import Predictor, text_predictor
from spg_dist.methods import Method
from spg_dist.run import Run
from spg_dist.training.fitted import Fitted


@dataclass(frozen=True)
class NearestMeanConfig:
    """Nearest class mean on the pooled sources."""

    shrink: float = 0.0
    """How far each class's mean is drawn towards the mean of all images (0 to 1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.shrink < 1:
            raise ValueError(f"shrink is {self.shrink}, expected a number from 0 to below 1, e.g. 0.1")


class NearestMean(Method[NearestMeanConfig]):
    """Means are scaled to unit norm, as features are: the nearest is the one with the largest product."""

    name, label, branch, settings = "nearest-mean", "Nearest class mean", "nearest_mean", NearestMeanConfig
    rank = 15
    has_seeds = reads_class_names = False

    def training(self, run: Run[NearestMeanConfig]) -> Fitted:
        x_ND, label_N = run.labelled(run.train_rows)
        classes = torch.arange(len(run.material.manifest.class_names), device=x_ND.device)
        member_CN = (label_N == classes[:, None]).to(x_ND.dtype)
        own_CD = member_CN @ x_ND / member_CN.sum(dim=1, keepdim=True).clamp(min=1)
        mean_CD = torch.lerp(own_CD, x_ND.mean(dim=0), run.settings.shrink)
        mean_CD = torch.nn.functional.normalize(mean_CD, dim=-1)

        def logits(x_BD: Tensor) -> Tensor:
            return x_BD @ mean_CD.T

        return Fitted(run, {"mean_CD": mean_CD}, logits)

    def predictor(self, run: Run[NearestMeanConfig]) -> Predictor:
        mean_CD = run.weights()["mean_CD"].to(run.material.clip.device)
        return text_predictor(mean_CD, run.material.clip.logit_scale)


METHOD = NearestMean()
