"""Classes' tokens in blocks: every token has one slot, and sees what it is to see."""

from __future__ import annotations

import pytest

from spg_dist.clip.class_blocks import block_classes


@pytest.mark.parametrize("lengths", [[3] * 7, [3, 5, 4] * 40, [70, 3, 3, 40, 2], [9]])
def test_every_token_of_every_class_has_one_slot_and_sees_only_what_is_before_it(lengths: list[int]) -> None:
    n_ctx = 4
    blocks = block_classes(lengths, n_ctx)
    for c, length in enumerate(lengths):
        end = int(blocks.ends_NG.flatten()[blocks.end_C[c]])
        own = range(end - length + 1, end + 1)
        assert own[0] // blocks.slots == end // blocks.slots
        assert blocks.class_M[own].tolist() == [c] * length
        assert blocks.position_M[own].tolist() == list(range(1 + n_ctx, 1 + n_ctx + length))
        for slot in own:
            n, s = divmod(slot, blocks.slots)
            seen = (blocks.mask_NSK[n, s] == 0).nonzero().flatten() - (1 + n_ctx) + n * blocks.slots
            assert seen[1 + n_ctx :].tolist() == list(range(own[0], slot + 1))
    waste = blocks.blocks * blocks.slots - sum(lengths)
    assert waste == 0 or waste < 0.05 * sum(lengths) or max(lengths) > 64
