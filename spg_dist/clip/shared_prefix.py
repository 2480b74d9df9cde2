"""The fast way of soft prompts through a causal text tower.

(1) Positions behind a class's end-of-text token never reach its output and are not computed; (2) the start token is the
same for every prompt: its keys and values are computed once; (3) the P context tokens do not see the class: they are
computed once per prompt, and only the class's own tokens once per class; (4) what the first layer's attention reads of
a class's own tokens does not depend on the prompt; (5) of the last layer only the end-of-text position is needed.

All tokens of all prompts stand in one matrix, the contexts' rows first, so that a layer reads each weight once.

Shape suffixes: B prompts, C classes, P context tokens, N blocks of S class tokens and M = N·S, K = 1 + P + S keys that
a block sees, G ends of text of a block, R = B·P + B·M rows, Q queries, W text width, D feature width.
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
        self._ends_G, self._end_C = blocks.ends_NG.flatten().to(device), blocks.end_C.to(device)
        self._first_M3W = layers[0].queries_keys_values(self.class_MW)
        self._mask_NSK = blocks.mask_NSK.to(self._first_M3W)
        self._end_mask_NGK = self._mask_NSK.flatten(0, 1)[blocks.ends_NG.to(device)]
        self._context_mask_PK = torch.full((P, 1 + P), float("-inf")).triu(diagonal=2).to(self._first_M3W)
        start_1W = embedding(classes.tokens_CL[0, :1].to(device)) + position_LW[:1]
        self._start_keys_values = self._encode_start_token(start_1W)

    def _encode_start_token(self, x_1W: Tensor) -> list[Tensor]:
        """Keys and values (1, 1, 2W) of the start token, per layer; it sees only itself: attention gives its value."""
        keys_values = []
        for layer in self.layers:
            kv = layer.keys_values(x_1W)
            keys_values.append(kv[None])
            x_1W = layer.close(x_1W, kv.chunk(2, dim=-1)[1])
        return keys_values

    def __call__(self, context_BPW: Tensor) -> Tensor:
        """Text features (B, C, D), not normalised; differentiable in the prompts where the layers are not bf16."""
        B, P, W = context_BPW.shape
        context_RW = (context_BPW + self.tower.positional_embedding[1 : 1 + P]).flatten(0, 1)
        x_RW = torch.cat([context_RW, self.class_MW.repeat(B, 1)])
        rows = [B * P, len(x_RW) - B * P]
        mask = self._mask_NSK.repeat(B, 1, 1)[:, None]
        for number, layer in enumerate(self.layers[:-1]):
            if number == 0:
                context, classes = layer.queries_keys_values(context_RW), self._first_M3W.repeat(B, 1)
            else:
                context, classes = layer.queries_keys_values(x_RW).split(rows)
            context_q, context_kv = context.unflatten(0, (B, P)).split([W, 2 * W], dim=-1)
            class_q, class_kv = classes.unflatten(0, (-1, self.slots)).split([W, 2 * W], dim=-1)
            prefix, block_kv = self._seen(number, context_kv, class_kv)
            context = attend(layer.heads, context_q, prefix, self._context_mask_PK)
            classes = attend(layer.heads, class_q, block_kv, mask)
            x_RW = layer.close(x_RW, torch.cat([context.flatten(0, 1), classes.flatten(0, 1)]))
        return self._ends_of_text(x_RW, rows, B)

    def _seen(self, number: int, context_kv: Tensor, class_kv: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values that the contexts (B, 1 + P, 2W) and the classes' blocks (B·N, K, 2W) see in a layer."""
        B, N = len(context_kv), self.blocks
        prefix = torch.cat([self._start_keys_values[number].expand(B, -1, -1), context_kv], dim=1)
        blocks = torch.cat([prefix[:, None].expand(-1, N, -1, -1), class_kv.unflatten(0, (B, N))], dim=2)
        return prefix, blocks.flatten(0, 1)

    def _ends_of_text(self, x_RW: Tensor, rows: list[int], B: int) -> Tensor:
        """The last layer at each class's end of text, then the features (B, C, D) in the classes' order."""
        layer, N = self.layers[-1], self.blocks
        context_kv, class_kv = layer.keys_values(x_RW).split(rows)
        context_kv, class_kv = context_kv.unflatten(0, (B, -1)), class_kv.unflatten(0, (B * N, -1))
        _, block_kv = self._seen(len(self.layers) - 1, context_kv, class_kv)
        x_BGW = x_RW[rows[0] :].unflatten(0, (B, -1))[:, self._ends_G]
        q = layer.queries(x_BGW.flatten(0, 1)).unflatten(0, (B * N, -1))
        mixed = attend(layer.heads, q, block_kv, self._end_mask_NGK.repeat(B, 1, 1)[:, None])
        mixed_BCW = mixed.reshape(x_BGW.shape)[:, self._end_C]
        closed_RW = layer.close(x_BGW[:, self._end_C].flatten(0, 1), mixed_BCW.flatten(0, 1))
        features_BCD: Tensor = self.tower.project(self.tower.ln_final(closed_RW)).unflatten(0, (B, -1))
        return features_BCD


def attend(heads: int, q: Tensor, kv: Tensor, mask: Tensor) -> Tensor:
    """Mixed values in the layout of the queries: `q` (b, Q, W), `kv` (b, K, 2W), `mask` added to the scores."""
    q = q.unflatten(-1, (heads, -1)).transpose(1, 2)
    k, v = kv.unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)
