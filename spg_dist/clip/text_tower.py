"""The parts of an open_clip text tower, and the plain way through it.

Shape suffixes: B prompts, C classes, L token positions, P context tokens, W text width, D feature width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from open_clip.transformer import text_global_pool
from torch import Tensor, nn

from spg_dist.clip.frozen_layers import FrozenLayer, FrozenNorm, NormedLinear, can_be_frozen, frozen_layer, frozen_norm
from spg_dist.clip.frozen_linear import FrozenLinear, frozen_linear


@dataclass(frozen=True)
class TextTower:
    """The text tower of either open_clip class (CLIP keeps its parts on the model, CustomTextCLIP in `.text`)."""

    token_embedding: nn.Embedding
    positional_embedding: Tensor
    transformer: Any
    ln_final: nn.LayerNorm
    text_projection: nn.Parameter | nn.Linear | None
    attn_mask_LL: Tensor | None
    pool_type: str
    eos_id: int

    @property
    def width(self) -> int:
        """W."""
        return int(self.token_embedding.weight.shape[1])

    @property
    def context_length(self) -> int:
        """L, the positions the tower was trained with."""
        return int(self.positional_embedding.shape[0])

    @property
    def is_causal(self) -> bool:
        """True where prefixes can be shared: no token reaches an earlier one, the end of text is the output, and every
        block is of the usual kind."""
        if self.attn_mask_LL is None or self.pool_type not in ("argmax", "eos"):
            return False
        above = torch.triu(torch.ones_like(self.attn_mask_LL), 1).bool()
        hides_above = bool((self.attn_mask_LL[above] == float("-inf")).all())
        mask_is_causal = hides_above and bool((self.attn_mask_LL[~above] == 0).all())
        return mask_is_causal and all(can_be_frozen(block) for block in self.transformer.resblocks)

    def end_positions(self, tokens_CL: Tensor) -> tuple[int, ...]:
        """Where a tower that pools the end of text looks for it: the highest id, or the id it was told (`eos`)."""
        found_CL = (tokens_CL == self.eos_id).to(torch.int64) if self.pool_type == "eos" else tokens_CL
        return tuple(int(end) for end in found_CL.argmax(dim=-1))

    @cached_property
    def layers(self) -> list[FrozenLayer]:
        """The layers of a causal tower, laid out for speed: a second copy of their weights, and a third once a gradient
        is asked for on a CPU."""
        return self._laid_out(self.positional_embedding.dtype)

    @cached_property
    def bf16_layers(self) -> list[FrozenLayer]:
        """The same with products in bfloat16."""
        return self._laid_out(torch.bfloat16)

    def _laid_out(self, dtype: torch.dtype) -> list[FrozenLayer]:
        return [frozen_layer(block, dtype) for block in self.transformer.resblocks]

    @cached_property
    def _ln_final(self) -> FrozenNorm:
        return frozen_norm(self.ln_final)

    @cached_property
    def _projection(self) -> FrozenLinear | None:
        """W to D."""
        if isinstance(self.text_projection, nn.Linear):
            return frozen_linear(self.text_projection.weight, self.text_projection.bias)
        return None if self.text_projection is None else frozen_linear(self.text_projection.T, None)

    def features(self, pooled_RW: Tensor) -> Tensor:
        """(R, W) behind the last layer to (R, D), not normalised: the last norm and the projection."""
        if self._projection is None:
            normed_RW: Tensor = self.ln_final(pooled_RW)
            return normed_RW
        features_RD: Tensor = NormedLinear.apply(pooled_RW, self._ln_final, self._projection)
        return features_RD


def text_tower(model: Any) -> TextTower:
    """The text tower of an open_clip model.

    Raises:
        ValueError: it takes no token embeddings (Hugging Face text models), adds a token of its own behind the text
            (CoCa), or gives no single feature per text.
    """
    holder = getattr(model, "text", model)
    has_parts = hasattr(holder, "token_embedding") and hasattr(holder, "transformer")
    pool_type = getattr(holder, "text_pool_type", getattr(holder, "pool_type", "none"))
    if not has_parts or getattr(holder, "cls_emb", None) is not None or pool_type == "none":
        raise ValueError(
            f"this model's text tower ({type(holder).__name__}) takes no soft prompts: "
            f"use methods that learn none (zero-shot, zero-shot-ensemble, linear-probe), or a CLIP-style model, e.g. "
            f"clip.model=ViT-B-16"
        )
    return TextTower(
        token_embedding=holder.token_embedding,
        positional_embedding=holder.positional_embedding,
        transformer=holder.transformer,
        ln_final=holder.ln_final,
        text_projection=holder.text_projection,
        attn_mask_LL=holder.attn_mask,
        pool_type=pool_type,
        eos_id=int(getattr(holder, "text_eos_id", getattr(holder, "eos_id", 0))),
    )


def encode_embeddings(tower: TextTower, embeddings_BLW: Tensor, tokens_BL: Tensor) -> Tensor:
    """The plain path: all L positions of every prompt through the tower.

    Arguments:
        embeddings_BLW: token embeddings with the soft prompt in its place, without positions.
        tokens_BL: token ids, which say where the end of the text is.

    Returns:
        (B, D) text features, not normalised.
    """
    x_BLW = tower.transformer(embeddings_BLW + tower.positional_embedding, attn_mask=tower.attn_mask_LL)
    pooled_BW: Tensor = text_global_pool(tower.ln_final(x_BLW), tokens_BL, tower.pool_type, eos_token_id=tower.eos_id)
    projection = tower.text_projection
    if projection is None:
        return pooled_BW
    features_BD: Tensor = projection(pooled_BW) if isinstance(projection, nn.Linear) else pooled_BW @ projection
    return features_BD
