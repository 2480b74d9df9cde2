"""A prompt's numbers do not depend on the prompts beside it: a run resumed in another grouping ends the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor

from spg_dist.clip.class_blocks import block_classes
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower

NAMES = ("dog", "alarm clock", "ox", "computer keyboard on a desk", "hippopotamus skeleton")


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("quick_gelu", [False, True], ids=["gelu", "quick gelu"])
def test_a_prompts_features_and_gradient_have_the_same_bits_alone_and_among_others(
    threads: None, tiny_clip: Callable[..., Any], quick_gelu: bool
) -> None:
    text = {"width": 256, "heads": 4, "layers": 2}
    tower = text_tower(tiny_clip(text_cfg=text, quick_gelu=quick_gelu))
    tokens = tokenize_classes(open_clip.get_tokenizer("ViT-B-32"), NAMES, 4, tower.context_length)
    encoder = PromptEncoder(tower, tokens)
    context_BPW, direction_BCD = numbers(9, 4, 256), numbers(9, len(NAMES), 32, seed=1)

    def result(first: int, stop: int) -> tuple[Tensor, Tensor]:
        leaf_BPW = context_BPW[first:stop].clone().requires_grad_()
        features_BCD = encoder(leaf_BPW)
        (features_BCD * direction_BCD[first:stop]).sum().backward()
        assert leaf_BPW.grad is not None
        return features_BCD.detach(), leaf_BPW.grad

    if not encoder.prompts_apart:
        pytest.skip("needs oneDNN's kernels: a processor with AVX2 or AVX-512")
    alone = [result(b, b + 1) for b in range(9)]
    for first, stop in ((0, 2), (0, 3), (3, 8), (0, 9)):
        features_BCD, grad_BPW = result(first, stop)
        assert torch.equal(features_BCD, torch.cat([features for features, _ in alone[first:stop]]))
        assert torch.equal(grad_BPW, torch.cat([grad for _, grad in alone[first:stop]]))
    with torch.no_grad():  # against its own kind: without a gradient the activation is part of the product's kernel
        assert torch.equal(encoder(context_BPW), torch.cat([encoder(context_BPW[b : b + 1]) for b in range(9)]))


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
