"""Prompts v_m + pi(x), one for every image.

Shape suffixes: B batch, C classes, D feature width, P context tokens, W text width, U hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spg_dist.classifier.training import Classifier
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.evaluation.accuracy import cosines

SHRINK = 16  # the meta-net's hidden layer has a sixteenth of the features' width


class Cocoop(Classifier):
    """CoCoOp (Zhou et al., "Conditional Prompt Learning for Vision-Language Models", CVPR 2022, section 3.2).

    The meta-net pi = Linear(D → D/16), ReLU, Linear(D/16 → W) gives one shift for all context tokens of an image.

    Arguments:
        initial_PW: the first context.
        logit_scale: exp(logit_scale) of the frozen CLIP.
        random: draws the meta-net's weights and biases, uniform within 1/sqrt(inputs) as PyTorch's default.
    """

    def __init__(
        self,
        encoder: PromptEncoder,
        initial_PW: Tensor,
        feature_width: int,
        logit_scale: float,
        random: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder, self.logit_scale = encoder, logit_scale
        hidden = max(1, feature_width // SHRINK)
        self.context_PW = nn.Parameter(initial_PW.detach().clone())
        layers = nn.Linear(feature_width, hidden), nn.Linear(hidden, initial_PW.shape[1])
        for layer in layers:
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=random)
            nn.init.uniform_(layer.bias, -bound, bound, generator=random)
        self.meta_net = nn.Sequential(layers[0], nn.ReLU(), layers[1])

    def prompts(self, x_BD: Tensor) -> Tensor:
        """v_m + pi(x), (B, P, W)."""
        shift_BW: Tensor = self.meta_net(x_BD)
        return self.context_PW + shift_BW[:, None]

    def forward(self, x_BD: Tensor, group_B: Tensor) -> Tensor:
        """exp(logit_scale) · x · g([v + pi(x), class])ᵀ, (B, C)."""
        return self.logit_scale * cosines(self.prompts(x_BD), self.encoder, x_BD)
