"""Classes' own tokens in blocks of equal size, so that one attention call serves them all.

Shape suffixes: C classes, N blocks, S token slots of a block, P context tokens, K = 1 + P + S keys that a block sees,
G ends of text in a block (as many as the fullest block has), M = N·S slots of all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_SLOTS = range(24, 65)  # smaller: more calls; larger: more of a block's attention is between classes, and in vain


@dataclass(frozen=True)
class ClassBlocks:
    """Which token of which class stands in each slot. A slot left over repeats a token; nothing reads its output.

    Arguments:
        class_M, position_M: the class of each slot, and the position of its token in the class's whole text.
        mask_NSK: added to the attention scores: a token sees start token, context and its class up to itself.
        ends_NG: slots with the ends of text, block by block; a block with fewer repeats its first.
        end_C: where class c stands in the flattened `ends_NG`.
    """

    blocks: int
    slots: int
    class_M: Tensor
    position_M: Tensor
    mask_NSK: Tensor
    ends_NG: Tensor
    end_C: Tensor


def block_classes(lengths: Sequence[int], n_ctx: int) -> ClassBlocks:
    """Lay out classes of these lengths (tokens behind the soft prompt)."""
    members = _members(lengths)
    slots = max(sum(lengths[c] for c in block) for block in members)
    N, G, K = len(members), max(map(len, members)), 1 + n_ctx + slots
    class_NS = torch.tensor([block[0] for block in members])[:, None].repeat(1, slots)
    position_NS = torch.full((N, slots), 1 + n_ctx)
    mask_NSK = torch.full((N, slots, K), float("-inf"))
    mask_NSK[:, :, : 1 + n_ctx] = 0
    ends_NG = torch.zeros(N, G, dtype=torch.int64)
    end_C = torch.zeros(len(lengths), dtype=torch.int64)
    for n, block in enumerate(members):
        first = 0
        for g, c in enumerate(block):
            span = slice(first, first + lengths[c])
            class_NS[n, span] = c
            position_NS[n, span] += torch.arange(lengths[c])
            own = mask_NSK[n, span, 1 + n_ctx + span.start : 1 + n_ctx + span.stop]
            own.copy_(torch.full_like(own, float("-inf")).triu(diagonal=1))
            first = span.stop
            ends_NG[n, g], end_C[c] = n * slots + first - 1, n * G + g
        ends_NG[n, len(block) :] = ends_NG[n, 0]
    return ClassBlocks(N, slots, class_NS.flatten(), position_NS.flatten(), mask_NSK, ends_NG, end_C)


def _members(lengths: Sequence[int]) -> list[list[int]]:
    """Classes by block: of all allowed block sizes the one that leaves the fewest slots empty."""
    if sum(lengths) <= BLOCK_SLOTS[-1]:
        return [list(range(len(lengths)))]
    sizes = [size for size in BLOCK_SLOTS if size >= max(lengths)] or [max(lengths)]
    layouts = [_filled(lengths, size) for size in sizes]
    return min(layouts, key=lambda members: len(members) * max(sum(lengths[c] for c in block) for block in members))


def _filled(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Long classes first, each into the first block with room for it."""
    members: list[list[int]] = []
    room: list[int] = []
    for c in sorted(range(len(lengths)), key=lambda c: -lengths[c]):
        n = next((n for n, left in enumerate(room) if left >= lengths[c]), len(room))
        if n == len(room):
            members.append([])
            room.append(size)
        members[n].append(c)
        room[n] -= lengths[c]
    return members
