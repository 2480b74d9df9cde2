"""CoOp on the pooled sources: one soft prompt for every image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spg_dist.evaluation.accuracy import predict_from_text
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.prompt_label import soft_prompt_run
from spg_dist.soft_prompt.training import SoftPromptRun
from spg_dist.training import read_trained


def coop_run(experiment: Experiment, spec: RunSpec) -> tuple[SoftPromptRun, str]:
    """CoOp's prompt of one run."""
    val = experiment.selection_rows(spec.where, keep_left_out=True)
    return soft_prompt_run(experiment, experiment.config.coop, experiment.sources(spec.where), val, "coop", spec)


@torch.no_grad()
def predict_with_prompt(experiment: Experiment, spec: RunSpec, rows_B: np.ndarray) -> Tensor:
    """Classes (1, B) under the learned prompt."""
    prompt = read_trained(experiment.folder.artifact(spec)).weights["prompt"]
    return predict_from_text(experiment.prompt_texts(prompt), experiment.table.features(rows_B))[None]
