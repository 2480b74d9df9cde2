"""The fast way of soft prompts through a causal text tower.

(1) Positions behind a class's end-of-text token never reach its output and are not computed; (2) the start token is the
same for every prompt: its keys and values are computed once; (3) the P context tokens do not see the class: they are
computed once per prompt, and only the class's own tokens once per class; (4) what the first layer's attention reads of
a class's own tokens does not depend on the prompt; (5) of the last layer only the end-of-text position is needed.

Context and class tokens of all prompts go through a layer's products together, so that each weight is read once.

Shape suffixes: B prompts, C classes, P context tokens, N blocks of S class tokens and M = N·S, K = 1 + P + S keys that
a block sees, G ends of text of a block, T = P + M tokens of a prompt, Q queries, W text width, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.class_blocks import block_classes
from spg_dist.clip.class_tokens import ClassTokens
from spg_dist.clip.frozen_layers import FrozenLayer
from spg_dist.clip.text_tower import TextTower


class SharedPrefix:
    """What all prompts of one set of classes have in common, computed once.

    Arguments:
        tower: a frozen causal text tower.
        layers: its layers, in the precision in which their products are to be computed.
    """

    @torch.no_grad()
    def __init__(self, tower: TextTower, layers: Sequence[FrozenLayer], classes: ClassTokens) -> None:
        self.tower, self.layers, self.n_ctx = tower, layers, classes.n_ctx
        P = classes.n_ctx
        embedding, position_LW = tower.token_embedding, tower.positional_embedding.detach()
        device = position_LW.device
        blocks = block_classes(classes.suffix_lengths, P)
        self.blocks, self.slots = blocks.blocks, blocks.slots
        token_M = classes.tokens_CL[blocks.class_M, blocks.position_M]
        self.class_MW = embedding(token_M.to(device)) + position_LW[blocks.position_M.to(device)]
        self._end_T, self._end_C = P + blocks.ends_NG.flatten().to(device), blocks.end_C.to(device)
        self._first_M3W = layers[0].queries_keys_values(self.class_MW)
        mask_NSK, no = blocks.mask_NSK.to(self._first_M3W), float("-inf")
        self._mask_NSK, self._end_mask_NGK = mask_NSK, mask_NSK.flatten(0, 1)[blocks.ends_NG.to(device)]
        self._context_mask_PK = torch.full((P, mask_NSK.shape[-1]), no).triu(diagonal=2).to(self._first_M3W)
        self._mask_TK = torch.cat([self._context_mask_PK, mask_NSK[0]])
        start_1W = embedding(classes.tokens_CL[0, :1].to(device)) + position_LW[:1]
        self._start_keys_values = self._encode_start_token(start_1W)

    def _encode_start_token(self, x_1W: Tensor) -> list[Tensor]:
        """Keys and values (1, 1, 2W) of the start token, per layer; it sees only itself: attention gives its value."""
        keys_values = []
        for layer in self.layers:
            _, k, v = layer.queries_keys_values(x_1W).chunk(3, dim=-1)
            keys_values.append(torch.cat([k, v], dim=-1)[None])
            x_1W = layer.close(x_1W, v)
        return keys_values

    def __call__(self, context_BPW: Tensor) -> Tensor:
        """Text features (B, C, D), not normalised; differentiable in the prompts where the layers are not bf16."""
        B, P, _ = context_BPW.shape
        context_BPW = context_BPW + self.tower.positional_embedding[1 : 1 + P]
        x_BTW = torch.cat([context_BPW, self.class_MW.expand(B, -1, -1)], dim=1)
        for number, layer in enumerate(self.layers[:-1]):
            if number == 0:
                context = layer.queries_keys_values(context_BPW)
                qkv = torch.cat([context, self._first_M3W.expand(B, -1, -1)], dim=1)
            else:
                qkv = layer.queries_keys_values(x_BTW)
            x_BTW = layer.close(x_BTW, self._mix(number, qkv))
        return self._ends_of_text(x_BTW)

    def _mix(self, number: int, qkv: Tensor) -> Tensor:
        """Attention of all tokens, (B, T, 3W) to (B, T, W)."""
        B, P, N, heads = len(qkv), self.n_ctx, self.blocks, self.layers[number].heads
        W = qkv.shape[-1] // 3
        q, kv = qkv.split([W, 2 * W], dim=-1)
        block_kv = self._seen(number, kv)
        if N == 1:
            return attend(heads, q, block_kv, self._mask_TK)
        context_q, class_q = q.split([P, N * self.slots], dim=1)
        prefix_kv = block_kv.unflatten(0, (B, N))[:, 0, : 1 + P]
        context = attend(heads, context_q, prefix_kv, self._context_mask_PK[:, : 1 + P])
        block_q = class_q.unflatten(1, (N, -1)).flatten(0, 1)
        classes = attend(heads, block_q, block_kv, self._mask_NSK.repeat(B, 1, 1)[:, None])
        return torch.cat([context, classes.unflatten(0, (B, N)).flatten(1, 2)], dim=1)

    def _seen(self, number: int, kv: Tensor) -> Tensor:
        """Keys and values (B·N, K, 2W) that each block sees in a layer: start token, context, its own classes."""
        start = self._start_keys_values[number].expand(len(kv), -1, -1)
        if self.blocks == 1:
            return torch.cat([start, kv], dim=1)
        context, classes = kv.split([self.n_ctx, self.blocks * self.slots], dim=1)
        prefix = torch.cat([start, context], dim=1)[:, None].expand(-1, self.blocks, -1, -1)
        return torch.cat([prefix, classes.unflatten(1, (self.blocks, -1))], dim=2).flatten(0, 1)

    def _ends_of_text(self, x_BTW: Tensor) -> Tensor:
        """The last layer at each class's end of text, then the features (B, C, D) in the classes' order."""
        B, W, layer = len(x_BTW), x_BTW.shape[-1], self.layers[-1]
        # queries of all tokens, though few are needed: cheaper than another layout of a part of the weight
        q, kv = layer.queries_keys_values(x_BTW).split([W, 2 * W], dim=-1)
        ends_BW = x_BTW.index_select(1, self._end_T)
        q = q.index_select(1, self._end_T).unflatten(1, (self.blocks, -1)).flatten(0, 1)
        mask = self._end_mask_NGK.repeat(B, 1, 1)[:, None]
        mixed = attend(layer.heads, q, self._seen(len(self.layers) - 1, kv), mask).reshape(ends_BW.shape)
        closed_BCW = layer.close(*(rows.index_select(1, self._end_C) for rows in (ends_BW, mixed)))
        return self.tower.features(closed_BCW)


def attend(heads: int, q: Tensor, kv: Tensor, mask: Tensor) -> Tensor:
    """Mixed values in the layout of the queries: `q` (b, Q, W), `kv` (b, K, 2W), `mask` added to the scores."""
    q = q.unflatten(-1, (heads, -1)).transpose(1, 2)
    k, v = kv.unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)
