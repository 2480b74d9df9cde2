"""Text features of soft prompts: exact, and without the work that cannot matter (contract 6).

CLIP's text tower is causal. So (1) positions behind a class's end-of-text token never reach its output and are not
computed; (2) the start token is the same for every prompt: its keys and values are computed once; (3) the P context
tokens do not see the class: they are computed once per prompt, and only the class's own tokens once per class, against
the prefix's keys and values; (4) of the last layer only the end-of-text position is needed.

Shape suffixes: B prompts, C classes, S tokens of a class behind the prompt, T tokens of all classes, P context tokens,
H heads, E width of a head, W text width, D feature width.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.class_tokens import ClassTokens
from spg_dist.clip.text_tower import TextTower, encode_embeddings

HIDDEN_BYTES = 64 * 2**20  # images are taken in chunks whose largest activation (the MLP's) stays near this size


@dataclass(frozen=True)
class LengthGroup:
    """Classes with the same number S of tokens, side by side in the packed tokens: attention needs no padding."""

    first_token: int
    classes: int
    tokens: int

    @property
    def span(self) -> slice:
        return slice(self.first_token, self.first_token + self.classes * self.tokens)


class PromptEncoder:
    """Encodes every class under given soft prompts; a tower that is not causal takes the plain path.

    Arguments:
        tower: a frozen text tower.
        classes: tokenized class names; their `n_ctx` fixes P.
    """

    def __init__(self, tower: TextTower, classes: ClassTokens) -> None:
        self.tower = tower
        self.classes = classes
        self.exact_prefix = tower.is_causal and tower.end_positions(classes.tokens_CL) == classes.ends_C
        self._blocks: list[Any] = list(tower.transformer.resblocks) if self.exact_prefix else []
        self._heads: int = self._blocks[0].attn.num_heads if self.exact_prefix else 0
        device = tower.token_embedding.weight.device
        self._tokens_CL = classes.tokens_CL.to(device)
        with torch.no_grad():
            self._embeddings_CLW = tower.token_embedding(self._tokens_CL)
            if self.exact_prefix:
                self._pack_class_tokens()
                self._start_keys_values = self._encode_start_token()

    def __call__(self, context_BPW: Tensor) -> Tensor:
        """Unit-norm text features (B, C, D) of all classes under each prompt; differentiable in the prompt."""
        P = self.classes.n_ctx
        if context_BPW.ndim != 3 or context_BPW.shape[1:] != (P, self.tower.width):
            raise ValueError(f"prompts have shape {tuple(context_BPW.shape)}, expected (B, {P}, {self.tower.width})")
        encode = self._shared_prefix if self.exact_prefix else self.plain
        if torch.is_grad_enabled() and context_BPW.requires_grad:
            return F.normalize(encode(context_BPW), dim=-1)
        chunks = torch.split(context_BPW, self._chunk_rows(context_BPW.element_size()))
        return torch.cat([F.normalize(encode(chunk), dim=-1) for chunk in chunks])

    def plain(self, context_BPW: Tensor) -> Tensor:
        """All positions of every prompt and class through the tower, (B, C, D): what the fast path must equal."""
        P, B = self.classes.n_ctx, len(context_BPW)
        C, L, W = self._embeddings_CLW.shape
        embeddings_BCLW = self._embeddings_CLW.expand(B, C, L, W)
        context_BCPW = context_BPW[:, None].expand(-1, C, -1, -1)
        prompts_BCLW = torch.cat([embeddings_BCLW[:, :, :1], context_BCPW, embeddings_BCLW[:, :, 1 + P :]], dim=2)
        tokens = self._tokens_CL.expand(B, C, L).reshape(B * C, L)
        return encode_embeddings(self.tower, prompts_BCLW.reshape(B * C, L, W), tokens).reshape(B, C, -1)

    def _chunk_rows(self, element_bytes: int) -> int:
        tokens = len(self._suffix_TW) if self.exact_prefix else self._tokens_CL.numel()
        return max(1, HIDDEN_BYTES // (tokens * 4 * self.tower.width * element_bytes))

    def _pack_class_tokens(self) -> None:
        """Lay the classes' own tokens end to end, classes of equal length together."""
        P = self.classes.n_ctx
        by_length: dict[int, list[int]] = defaultdict(list)
        for c, length in enumerate(self.classes.suffix_lengths):
            by_length[length].append(c)
        pieces: list[Tensor] = []
        order: list[int] = []
        ends: list[int] = []
        self._groups: list[LengthGroup] = []
        for S, members in sorted(by_length.items()):
            first = ends[-1] + 1 if ends else 0
            self._groups.append(LengthGroup(first, len(members), S))
            ends += [first + S * (k + 1) - 1 for k in range(len(members))]
            order += members
            suffix_CSW = self._embeddings_CLW[members, 1 + P : 1 + P + S]
            pieces.append((suffix_CSW + self.tower.positional_embedding[1 + P : 1 + P + S]).flatten(0, 1))
        device = self._embeddings_CLW.device
        self._suffix_TW = torch.cat(pieces)
        self._end_token_C = torch.tensor(ends, device=device)
        self._back_to_class_order = torch.tensor(order, device=device).argsort()

    def _heads_of(self, x: Tensor) -> Tensor:
        """(B, N, W) to (B, H, N, E)."""
        return torch.unflatten(x, -1, (self._heads, -1)).transpose(1, 2)

    def _keys_values_queries(self, block: Any, x_BNW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention = block.attn
        q, k, v = F.linear(block.ln_1(x_BNW), attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        return q, k, v

    def _close_block(self, block: Any, x: Tensor, mixed: Tensor) -> Tensor:
        """The rest of a residual block once values are mixed: output projection, then the MLP."""
        x = x + block.ls_1(block.attn.out_proj(mixed))
        closed: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
        return closed

    def _encode_start_token(self) -> list[tuple[Tensor, Tensor]]:
        """Keys and values (1, H, 1, E) of the start token, per layer.

        It sees only itself, so attention returns its own value.
        """
        x = (self._embeddings_CLW[:1, :1] + self.tower.positional_embedding[:1]).to(self._embeddings_CLW.dtype)
        keys_values = []
        for block in self._blocks:
            _, k, v = self._keys_values_queries(block, x)
            keys_values.append((self._heads_of(k), self._heads_of(v)))
            x = self._close_block(block, x, v)
        return keys_values

    def _encode_prefix(self, context_BPW: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values (B, H, 1 + P, E) of start token and context, per layer."""
        B, P, _ = context_BPW.shape
        x = context_BPW + self.tower.positional_embedding[1 : 1 + P]
        sees_PK = torch.ones(P, 1 + P, dtype=torch.bool, device=x.device).tril(diagonal=1)
        keys_values = []
        for layer, block in enumerate(self._blocks):
            q, k, v = self._keys_values_queries(block, x)
            start_k, start_v = self._start_keys_values[layer]
            k_BHKE = torch.cat([start_k.expand(B, -1, -1, -1), self._heads_of(k)], dim=2)
            v_BHKE = torch.cat([start_v.expand(B, -1, -1, -1), self._heads_of(v)], dim=2)
            keys_values.append((k_BHKE, v_BHKE))
            if layer + 1 < len(self._blocks):
                mixed = F.scaled_dot_product_attention(self._heads_of(q), k_BHKE, v_BHKE, attn_mask=sees_PK)
                x = self._close_block(block, x, mixed.transpose(1, 2).flatten(2))
        return keys_values

    def _shared_prefix(self, context_BPW: Tensor) -> Tensor:
        """(B, C, D), not normalised."""
        prefix = self._encode_prefix(context_BPW)
        x_BTW = self._suffix_TW.expand(len(context_BPW), -1, -1)
        for block, keys_values in zip(self._blocks[:-1], prefix, strict=False):
            q, k, v = self._keys_values_queries(block, x_BTW)
            mixed = [self._attend(group, q[:, group.span], k, v, keys_values) for group in self._groups]
            x_BTW = self._close_block(block, x_BTW, torch.cat(mixed, dim=1))
        last = self._blocks[-1]
        q, k, v = self._keys_values_queries(last, x_BTW)
        q_BCW = q[:, self._end_token_C]
        firsts = torch.tensor([group.classes for group in self._groups]).cumsum(0).tolist()
        parts = [
            self._attend(group, q_BCW[:, stop - group.classes : stop], k, v, prefix[-1])
            for group, stop in zip(self._groups, firsts, strict=True)
        ]
        x_BCW = self._close_block(last, x_BTW[:, self._end_token_C], torch.cat(parts, dim=1))
        features_BCD = self.tower.project(self.tower.ln_final(x_BCW))
        return features_BCD[:, self._back_to_class_order]

    def _attend(self, group: LengthGroup, q: Tensor, k: Tensor, v: Tensor, prefix: tuple[Tensor, Tensor]) -> Tensor:
        """Attention of a group's queries to the prompt's prefix and, causally, to their own class's tokens.

        `q` holds either all S tokens of each class or only the last one; `k`, `v` are packed over all classes
        (B, T, W).
        Returns the mixed values in the layout of `q`.
        """
        C, S, H = group.classes, group.tokens, self._heads
        Q = q.shape[1] // C
        E = q.shape[-1] // H

        def by_class(x_BNW: Tensor) -> Tensor:
            """(B, C·N, W) to (B, H, C, N, E)."""
            return x_BNW.reshape(len(x_BNW), C, -1, H, E).permute(0, 3, 1, 2, 4)

        q_BHCQE = by_class(q) * E**-0.5
        k_BHCSE, v_BHCSE = by_class(k[:, group.span]), by_class(v[:, group.span])
        prefix_k_BHKE, prefix_v_BHKE = prefix
        to_prefix = torch.unflatten(q_BHCQE.flatten(2, 3) @ prefix_k_BHKE.transpose(-1, -2), 2, (C, Q))
        to_own = q_BHCQE @ k_BHCSE.transpose(-1, -2)
        if Q > 1:
            ahead = torch.ones(Q, S, dtype=torch.bool, device=q.device).triu(diagonal=1)
            to_own = to_own.masked_fill(ahead, float("-inf"))
        share = torch.cat([to_prefix, to_own], dim=-1).softmax(dim=-1)
        K = prefix_k_BHKE.shape[2]
        from_prefix = torch.unflatten(share[..., :K].flatten(2, 3) @ prefix_v_BHKE, 2, (C, Q))
        mixed = from_prefix + share[..., K:] @ v_BHCSE
        return mixed.permute(0, 2, 3, 1, 4).flatten(3).flatten(1, 2)
