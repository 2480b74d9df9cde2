"""The fast text encoder gives what the whole tower gives, forward and backward (contract 6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip import prompt_encoder as module
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import TextTower, text_tower

UNEQUAL = ("dog", "alarm clock", "hippopotamus skeleton", "ox", "computer keyboard on a desk")
MANY = tuple(f"{'very ' * (i % 4)}big thing {i}" for i in range(40))  # more tokens than one block has slots
TOWERS = {
    "CLIP": {},
    "CustomTextCLIP": {"force_custom_text": True},
    "layer scale": {"text_cfg": {"ls_init_value": 0.3}},
    "quick gelu": {"quick_gelu": True},
    "gelu by tanh": {"text_cfg": {"act_kwargs": {"approximate": "tanh"}}},
    "norms without weights": {"text_cfg": {"norm_kwargs": {"elementwise_affine": False}}},
    "one layer": {"text_cfg": {"layers": 1}},
    "linear projection with bias": {"force_custom_text": True, "text_cfg": {"proj_bias": True}},
    "no projection": {"force_custom_text": True, "text_cfg": {"proj_type": "none"}},
    "eos pooling": {"force_custom_text": True, "text_cfg": {"pool_type": "eos", "eos_id": 49407}},
}
BY_POSITION = {
    "not causal": {"force_custom_text": True, "text_cfg": {"no_causal_mask": True}},
    "custom blocks": {"force_custom_text": True, "text_cfg": {"qk_norm": True}},
    "last token": {"force_custom_text": True, "text_cfg": {"pool_type": "last"}},
    "foreign end of text": {"force_custom_text": True, "text_cfg": {"pool_type": "eos", "eos_id": 269}},
}


@lru_cache
def clip_tokenizer() -> Any:
    return open_clip.get_tokenizer("ViT-B-32")


def encoder_for(tower: TextTower, names: tuple[str, ...], n_ctx: int) -> PromptEncoder:
    return PromptEncoder(tower, tokenize_classes(clip_tokenizer(), names, n_ctx, tower.context_length))


def prompts(count: int, n_ctx: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, n_ctx, width, generator=torch.Generator().manual_seed(count + n_ctx), dtype=dtype)


def plain(encoder: PromptEncoder, context_BPW: Tensor) -> Tensor:
    return F.normalize(encoder.plain(context_BPW), dim=-1)


@pytest.mark.parametrize("tower", TOWERS.values(), ids=TOWERS.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
def test_shared_prefix_equals_the_whole_tower(
    tiny_clip: Callable[..., Any], tower: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    model = tiny_clip(dtype=dtype, **tower)
    encoder = encoder_for(text_tower(model), UNEQUAL, n_ctx=4)
    context_BPW = prompts(3, 4, 32, dtype)
    fast_BCD = encoder(context_BPW)
    assert encoder.exact_prefix
    assert fast_BCD.shape == (3, len(UNEQUAL), 32)
    torch.testing.assert_close(fast_BCD, plain(encoder, context_BPW), rtol=0, atol=tolerance)
    torch.testing.assert_close(fast_BCD.norm(dim=-1), torch.ones(3, len(UNEQUAL), dtype=dtype), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_ctx", [1, 4, 16])
@pytest.mark.parametrize("names", [("dog",), UNEQUAL, MANY], ids=["1", "5", "40"])
def test_any_prompt_length_and_number_of_classes(
    tiny_clip: Callable[..., Any], n_ctx: int, names: tuple[str, ...]
) -> None:
    encoder = encoder_for(text_tower(tiny_clip(dtype=torch.float64)), names, n_ctx)
    context_BPW = prompts(2, n_ctx, 32, torch.float64)
    torch.testing.assert_close(encoder(context_BPW), plain(encoder, context_BPW), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tower", TOWERS.values(), ids=TOWERS.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
def test_gradient_to_the_prompt_equals_the_whole_towers(
    tiny_clip: Callable[..., Any], tower: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    encoder = encoder_for(text_tower(tiny_clip(dtype=dtype, **tower)), UNEQUAL, n_ctx=4)
    direction_BCD = prompts(2 * len(UNEQUAL), 1, 32, dtype).reshape(2, len(UNEQUAL), 32)
    gradients = []
    for encode in (encoder, lambda context: plain(encoder, context)):
        context_BPW = prompts(2, 4, 32, dtype).requires_grad_()
        (encode(context_BPW) * direction_BCD).sum().backward()
        gradients.append(context_BPW.grad)
    assert gradients[0] is not None and gradients[0].abs().max() > 1e-3
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=tolerance)


@pytest.mark.parametrize("tower", BY_POSITION.values(), ids=BY_POSITION.keys())
def test_towers_whose_prefix_cannot_be_shared_take_the_plain_path(
    tiny_clip: Callable[..., Any], tower: dict[str, Any]
) -> None:
    model = tiny_clip(**tower)
    encoder = encoder_for(text_tower(model), UNEQUAL, n_ctx=4)
    assert not encoder.exact_prefix
    ids = clip_tokenizer().encode("a photo of a")
    context_BPW = model.text.token_embedding(torch.tensor(ids))[None]
    torch.testing.assert_close(encoder(context_BPW)[0], encoded_text(model, UNEQUAL), rtol=0, atol=1e-5)


def test_a_tower_with_an_activation_of_its_own_takes_the_plain_path(tiny_clip: Callable[..., Any]) -> None:
    model = tiny_clip()
    model.transformer.resblocks[1].mlp.gelu = torch.nn.ReLU()
    assert not encoder_for(text_tower(model), UNEQUAL, n_ctx=4).exact_prefix


@pytest.mark.parametrize("tower", TOWERS.values(), ids=TOWERS.keys())
def test_a_prompt_that_spells_words_gives_open_clips_feature_of_these_words(
    tiny_clip: Callable[..., Any], tower: dict[str, Any]
) -> None:
    model = tiny_clip(dtype=torch.float64, **tower)
    parts = text_tower(model)
    words = torch.tensor(clip_tokenizer().encode("a photo of a"))
    features_CD = encoder_for(parts, UNEQUAL, n_ctx=4)(parts.token_embedding(words)[None])[0]
    torch.testing.assert_close(features_CD, encoded_text(model, UNEQUAL), rtol=0, atol=1e-12)


def encoded_text(model: Any, names: tuple[str, ...]) -> Tensor:
    """The oracle: open_clip's own path for real text, of which this code shares nothing."""
    tokens = clip_tokenizer()([f"a photo of a {name}." for name in names], context_length=28)
    features: Tensor = model.encode_text(tokens, normalize=True)
    return features


@pytest.mark.parametrize("tower", [{}, BY_POSITION["not causal"]], ids=["causal", "not causal"])
def test_prompts_beyond_one_chunk_come_back_in_order(
    tiny_clip: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tower: dict[str, Any]
) -> None:
    encoder = encoder_for(text_tower(tiny_clip(**tower)), UNEQUAL, n_ctx=4)
    context_BPW = prompts(7, 4, 32)
    at_once = encoder(context_BPW)
    tokens = 4 + sum(encoder.classes.suffix_lengths) if encoder.exact_prefix else len(UNEQUAL) * 28
    monkeypatch.setattr(module, "HIDDEN_BYTES", 3 * tokens * 4 * 32 * 4)
    assert encoder._prompts_at_once(context_BPW) == 3
    torch.testing.assert_close(encoder(context_BPW), at_once, rtol=0, atol=1e-6)
    monkeypatch.setattr(module, "HIDDEN_BYTES", 1)
    torch.testing.assert_close(encoder(context_BPW), at_once, rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("tower", [{}, BY_POSITION["not causal"]], ids=["shared prefix", "plain path"])
def test_no_prompts_have_no_features(tiny_clip: Callable[..., Any], tower: dict[str, Any]) -> None:
    """As where every image of a split was set aside."""
    encoder = encoder_for(text_tower(tiny_clip(**tower)), ("dog", "ox"), 4)
    none_BCD, one_BCD = (encoder(prompts(count, 4, encoder.tower.width)) for count in (0, 1))
    assert none_BCD.shape == (0, *one_BCD.shape[1:])


def test_no_memory_is_kept_for_a_gradient_that_nobody_asked_for(tiny_clip: Callable[..., Any]) -> None:
    encoder = encoder_for(text_tower(tiny_clip()), UNEQUAL, n_ctx=4)
    assert not encoder(prompts(2, 4, 32)).requires_grad
    with torch.no_grad():
        assert not encoder(prompts(2, 4, 32).requires_grad_()).requires_grad


@pytest.mark.parametrize("names", [UNEQUAL, MANY], ids=["5", "40"])
def test_half_precision_is_near_and_never_touches_a_gradient(
    tiny_clip: Callable[..., Any], names: tuple[str, ...]
) -> None:
    exact = encoder_for(text_tower(tiny_clip(quick_gelu=True)), names, n_ctx=4)
    half = PromptEncoder(exact.tower, exact.classes, "bf16")
    context_BPW = prompts(3, 4, 32)
    features_BCD = half(context_BPW)
    assert features_BCD.dtype == torch.float32
    assert 1e-6 < (features_BCD - exact(context_BPW)).abs().max() < 2e-2
    gradients = []
    for encoder in (half, exact):
        leaf_BPW = context_BPW.clone().requires_grad_()
        encoder(leaf_BPW)[..., 0].sum().backward()
        gradients.append(leaf_BPW.grad)
    assert torch.equal(*gradients)


@pytest.mark.parametrize("shape", [(4, 32), (2, 3, 32), (2, 4, 31)])
def test_prompts_of_another_shape_are_refused(tiny_clip: Callable[..., Any], shape: tuple[int, ...]) -> None:
    encoder = encoder_for(text_tower(tiny_clip()), UNEQUAL, n_ctx=4)
    with pytest.raises(ValueError, match=r"expected \(B, 4, 32\)"):
        encoder(torch.zeros(shape))


def test_a_tower_that_takes_no_soft_prompt_is_refused_by_name(tiny_clip: Callable[..., Any]) -> None:
    with_own_token = tiny_clip(force_custom_text=True, text_cfg={"embed_cls": True})
    with pytest.raises(ValueError, match=r"TextTransformer.*takes no soft prompts.*ViT-B-16"):
        text_tower(with_own_token)
    with pytest.raises(ValueError, match=r"Linear.*takes no soft prompts"):
        text_tower(torch.nn.Linear(2, 2))


def test_names_that_need_too_many_tokens_are_refused_with_numbers() -> None:
    tokenizer = clip_tokenizer()
    name = "hot " * 10 + "dog"
    with pytest.raises(
        ValueError, match=r"'hot hot.*dog' needs 18 tokens with 4 context tokens.*has 17.*stage1\.n_ctx"
    ):
        tokenize_classes(tokenizer, ["cat", name], n_ctx=4, context_length=17)
    assert tokenize_classes(tokenizer, ["cat", name], n_ctx=4, context_length=18).ends_C == (7, 17)


def test_a_name_at_the_very_end_of_the_tower_is_encoded_whole(tiny_clip: Callable[..., Any]) -> None:
    encoder = encoder_for(text_tower(tiny_clip(dtype=torch.float64)), ("ox", "hot " * 20 + "dog"), n_ctx=4)
    assert encoder.classes.ends_C == (7, 27)
    context_BPW = prompts(2, 4, 32, torch.float64)
    torch.testing.assert_close(encoder(context_BPW), plain(encoder, context_BPW), rtol=0, atol=1e-12)
