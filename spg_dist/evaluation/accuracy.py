"""Predictions and accuracy from features.

Shape suffixes: B images, C classes, D feature width, P context tokens, W text width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.features import FeatureTable

ROWS_AT_ONCE = 256  # bounds the (images, classes, D) text features in memory


def predict_from_text(text_CD: Tensor, x_BD: Tensor) -> Tensor:
    """Class (B,) with the highest cosine, the text being the same for all images."""
    return (x_BD @ text_CD.T).argmax(dim=-1)


def cosines(prompt_BPW: Tensor, encoder: PromptEncoder, x_BD: Tensor) -> Tensor:
    """x · g([v, class])ᵀ (B, C), each image having its own prompt; differentiable in the prompts."""
    pairs = zip(prompt_BPW.split(ROWS_AT_ONCE), x_BD.split(ROWS_AT_ONCE), strict=True)
    return torch.cat([torch.einsum("bcd,bd->bc", encoder(prompts), features) for prompts, features in pairs])


@torch.no_grad()
def predict_from_prompts(prompt_BPW: Tensor, encoder: PromptEncoder, x_BD: Tensor) -> Tensor:
    """Class (B,) with the highest cosine, each image having its own prompt: argmax over classes of x·g([v, class])."""
    return cosines(prompt_BPW, encoder, x_BD).argmax(dim=-1)


def percent_correct(predicted_B: Tensor, truth_B: Tensor) -> float:
    """Accuracy in percent, exact; NaN for no images."""
    return 100 * int((predicted_B == truth_B).sum()) / len(truth_B) if len(truth_B) else float("nan")


def accuracy_of_text(text_CD: Tensor, table: FeatureTable, rows: np.ndarray) -> float:
    """Accuracy (percent) of one text per class on rows of the table."""
    return percent_correct(predict_from_text(text_CD, table.features(rows)), table.label_N[torch.from_numpy(rows)])


def accuracy_of_prompts(prompt_BPW: Tensor, encoder: PromptEncoder, table: FeatureTable, rows: np.ndarray) -> float:
    """Accuracy (percent) of one prompt per image on rows of the table."""
    predicted = predict_from_prompts(prompt_BPW, encoder, table.features(rows))
    return percent_correct(predicted, table.label_N[torch.from_numpy(rows)])
