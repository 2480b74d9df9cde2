"""Text features of soft prompts: exact, and without the work that cannot matter (contract 6).

Shape suffixes: B prompts, C classes, L token positions, P context tokens, W text width, D feature width.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.class_tokens import ClassTokens
from spg_dist.clip.config import TextPrecision
from spg_dist.clip.shared_prefix import SharedPrefix
from spg_dist.clip.text_tower import TextTower, encode_embeddings

# Prompts are taken in chunks whose largest activation (the MLP's) stays near this size. A CPU was fastest with what its
# caches nearly hold; an accelerator must be kept busy, and a chunk needs about four times this much.
HIDDEN_BYTES = 16 * 2**20
ACCELERATOR_HIDDEN_BYTES = 512 * 2**20


class PromptEncoder:
    """Encodes every class under given soft prompts; a tower that is not causal, or a text without a start
    token, takes the plain path.

    With and without a gradient, the last bits of features may differ.

    Arguments:
        tower: a frozen text tower.
        classes: tokenized class names; their `n_ctx` fixes P.
        precision: arithmetic of the products where no gradient is asked for; gradients are always fp32's.
    """

    def __init__(self, tower: TextTower, classes: ClassTokens, precision: TextPrecision = "fp32") -> None:
        self.tower = tower
        self.classes = classes
        ends_known = tower.end_positions(classes.tokens_CL) == classes.ends_C
        self.exact_prefix = tower.is_causal and classes.before == 1 and ends_known
        self._tokens_CL = classes.tokens_CL.to(tower.token_embedding.weight.device)
        self._differentiable = self._predicting = self.plain
        if self.exact_prefix:
            self._differentiable = self._predicting = SharedPrefix(tower, tower.layers, classes)
            if precision == "bf16":
                self._predicting = SharedPrefix(tower, tower.bf16_layers, classes)

    def shallow(self) -> PromptEncoder | None:
        """An encoder of the same shapes with three layers at most (a first, an inner and the last one), to try out
        what the machine does with them; None where prompts take the plain path."""
        if not self.exact_prefix:
            return None
        layers, encoder = self.tower.layers, copy.copy(self)
        encoder._differentiable = encoder._predicting = SharedPrefix(
            self.tower, [*layers[:2], layers[-1]] if len(layers) > 3 else layers, self.classes
        )
        return encoder

    def __call__(self, context_BPW: Tensor) -> Tensor:
        """Unit-norm text features (B, C, D) of all classes under each prompt; differentiable in the prompt."""
        B, P, W = len(context_BPW), self.classes.n_ctx, self.tower.width
        if context_BPW.ndim != 3 or context_BPW.shape[1:] != (P, W):
            raise ValueError(f"prompts have shape {tuple(context_BPW.shape)}, expected (B, {P}, {W})")
        if torch.is_grad_enabled() and context_BPW.requires_grad:
            return F.normalize(self._differentiable(context_BPW), dim=-1)
        chunks = context_BPW.tensor_split(max(1, math.ceil(B / self._prompts_at_once(context_BPW))))
        return torch.cat([F.normalize(self._predicting(chunk), dim=-1) for chunk in chunks])

    def plain(self, context_BPW: Tensor) -> Tensor:
        """All positions of every prompt and class through the tower, (B, C, D): what the fast path must equal."""
        first, B = self.classes.before, len(context_BPW)
        after = first + self.classes.n_ctx
        embeddings_CLW = self.tower.token_embedding(self._tokens_CL)
        C, L, W = embeddings_CLW.shape
        embeddings_BCLW = embeddings_CLW.expand(B, C, L, W)
        context_BCPW = context_BPW[:, None].expand(-1, C, -1, -1)
        prompts_BCLW = torch.cat([embeddings_BCLW[:, :, :first], context_BCPW, embeddings_BCLW[:, :, after:]], dim=2)
        tokens = self._tokens_CL.repeat(B, 1)
        features_BCD: Tensor = encode_embeddings(self.tower, prompts_BCLW.flatten(0, 1), tokens).unflatten(0, (B, C))
        return features_BCD

    def _prompts_at_once(self, context_BPW: Tensor) -> int:
        budget = HIDDEN_BYTES if context_BPW.device.type == "cpu" else ACCELERATOR_HIDDEN_BYTES
        way = self._predicting
        tokens = self.classes.n_ctx + len(way.class_MW) if isinstance(way, SharedPrefix) else self._tokens_CL.numel()
        return max(1, budget // (tokens * 4 * self.tower.width * context_BPW.element_size()))
