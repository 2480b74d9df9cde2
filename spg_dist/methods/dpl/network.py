"""One prompt for each domain: the mean over its images of what a small network makes of them.

Shape suffixes: B batch, K domains in it, C classes, D feature width, P context tokens, W text width, U hidden width.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.classifier.training import Classifier
from spg_dist.clip.prompt_encoder import PromptEncoder


class Dpl(Classifier):
    """DPL (Zhang et al., "Domain Prompt Learning for Efficiently Adapting CLIP to Unseen Domains", 2021).

    Three linear layers D → U → U → P·W with ReLU between; Xavier weights and biases of 0.01, as published. The prompt
    of a domain is the mean of its images' outputs, and each image is classified under its own domain's prompt (the
    paper's equation; the published code sets the texts of all domains in a batch against each other as if they were
    further classes).

    Transductive: at test time the prompt is a mean over the *test* images, so a prediction depends on the images beside
    it, though on no label. Every other method here sees one test image at a time.

    Arguments:
        logit_scale: exp(logit_scale) of the frozen CLIP.
        random: draws the weights.
    """

    def __init__(
        self,
        encoder: PromptEncoder,
        feature_width: int,
        hidden_width: int,
        prompt_shape: tuple[int, int],
        logit_scale: float,
        random: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder, self.prompt_shape, self.logit_scale = encoder, prompt_shape, logit_scale
        self.network = nn.Sequential(
            nn.Linear(feature_width, hidden_width),
            nn.ReLU(),
            nn.Linear(hidden_width, hidden_width),
            nn.ReLU(),
            nn.Linear(hidden_width, prompt_shape[0] * prompt_shape[1]),
        )
        for layer in self.network:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=random)
                nn.init.constant_(layer.bias, 0.01)

    def forward(self, x_BD: Tensor, group_B: Tensor) -> Tensor:
        """exp(logit_scale) · x · g([v of the image's group, class])ᵀ, (B, C)."""
        groups_K, place_B = torch.unique(group_B, return_inverse=True)
        member_KB = F.one_hot(place_B, len(groups_K)).to(x_BD.dtype).T
        share_KB = member_KB / member_KB.sum(dim=1, keepdim=True)
        prompt_KPW = (share_KB @ self.network(x_BD)).unflatten(1, self.prompt_shape)
        text_KCD = self.encoder(prompt_KPW)
        cosine_KBC = x_BD @ text_KCD.transpose(1, 2)
        return self.logit_scale * cosine_KBC[place_B, torch.arange(len(x_BD), device=x_BD.device)]


def prompt_groups(domain_B: np.ndarray, batch: int) -> np.ndarray:
    """Which test images share a prompt, (B,): those of one domain, in batches of `batch` in their order (0 = all)."""
    order_B = np.zeros_like(domain_B)
    for domain in np.unique(domain_B):
        here = domain_B == domain
        order_B[here] = np.arange(here.sum())
    batch_B = order_B // (batch or len(domain_B))
    return np.asarray(domain_B * (batch_B.max(initial=0) + 1) + batch_B)
