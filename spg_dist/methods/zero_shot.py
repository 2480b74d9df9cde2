"""Zero-shot CLIP: hand-written prompts, nothing learned."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.evaluation.prediction import Predictor, text_predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec

TEMPLATES = {
    "zero-shot": ("a photo of a {}.",),
    "zero-shot-ensemble": (
        "a photo of a {}.",
        "a painting of a {}.",
        "a cartoon of a {}.",
        "a sketch of a {}.",
        "a drawing of a {}.",
        "a picture of a {}.",
        "an image of the {}.",
    ),
}


@torch.no_grad()
def template_texts(experiment: Experiment, method: str) -> Tensor:
    """Text features (C, D) of all classes: unit-norm mean over the method's templates."""
    clip, names = experiment.clip, experiment.manifest.class_names
    sums = None
    for template in TEMPLATES[method]:
        tokens = clip.tokenizer([template.format(name) for name in names]).to(clip.device)
        features = F.normalize(clip.model.encode_text(tokens).float(), dim=-1)
        sums = features if sums is None else sums + features
    assert sums is not None
    return F.normalize(sums, dim=-1)


def zero_shot_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """All images by the method's templates."""
    return text_predictor(template_texts(experiment, spec.method), experiment.clip.logit_scale)
