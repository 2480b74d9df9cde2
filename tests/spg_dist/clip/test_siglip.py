"""SigLIP's texts: what a soft prompt stands in for, and what the tower makes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from spg_dist.clip.class_tokens import check_class_names, check_texts_fit, tokenize_classes
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip, load_clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.soft_prompt.initial import initial_prompt

transformers = pytest.importorskip("transformers", reason="SigLIP's texts need the extra `siglip`")
from siglip_material import CONTEXT_LENGTH, siglip_config, write_tokenizer  # noqa: E402

NAMES = ("dog", "alarm clock", "Ox", "cup-fish")


CAUSAL = {"no_causal_mask": False}
KINDS: dict[str, tuple[dict[str, bool], dict[str, Any], int, bool]] = {
    # tokenizer, changes to SigLIP's text_cfg, tokens before the prompt, whether the prefix is shared
    "SigLIP": ({}, {}, 0, False),
    "SigLIP 2": ({"first_marked": False}, {"act_kwargs": {"approximate": "tanh"}}, 0, False),
    "SigLIP without projection": ({}, {"proj_type": "none", "width": 64}, 0, False),
    "CLIPA": ({"start": True}, {"tokenizer_kwargs": {"strip_sep_token": True, "clean": "lower"}}, 1, False),
    "worldwide, XLM's tokenizer": ({"start": True}, {**CAUSAL, "pool_type": "eos", "eos_id": 1}, 1, True),
    "worldwide, mT5's tokenizer": ({}, {**CAUSAL, "pool_type": "eos", "eos_id": 1}, 0, False),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_model_name: Callable[..., str]) -> Callable[[str], Clip]:
    """A tiny model of a kind, with random weights everywhere, so that no term can be forgotten."""

    @cache
    def build(kind: str) -> Clip:
        tokenizer, text, _, _ = KINDS[kind]
        folder = write_tokenizer(tmp_path_factory.mktemp("tokenizer"), **tokenizer)
        name = tiny_model_name(**siglip_config(folder, **text))
        clip = load_clip(ClipConfig(model=name, pretrained="random", device="cpu"))
        torch.manual_seed(1)
        for name, parameter in clip.model.text.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("ln" in name), std=1.0 if "token" in name else 0.3)
        return clip

    return build


@pytest.fixture(scope="module")
def siglip(built: Callable[[str], Clip]) -> Clip:
    return built("SigLIP")


@pytest.mark.parametrize("kind", KINDS)
def test_a_soft_prompt_of_words_gives_the_words_own_texts(built: Callable[[str], Clip], kind: str) -> None:
    clip, (_, _, before, shared) = built(kind), KINDS[kind]
    tower = text_tower(clip.model)
    classes = tokenize_classes(clip.tokenizer, NAMES, 4, tower.context_length)
    encoder = PromptEncoder(tower, classes)
    prompt_PW = initial_prompt(tower, clip.tokenizer, "a photo of a", n_ctx=4, seed=1)
    texts = clip.tokenizer([f"a photo of a {name}." for name in NAMES])
    expected_CD = normalize(clip.model.encode_text(texts), dim=-1)
    torch.testing.assert_close(encoder(prompt_PW[None])[0], expected_CD, rtol=0, atol=2e-5)
    assert torch.pdist(expected_CD).min() > 1e-3, "the names make a difference"
    assert (classes.before, encoder.exact_prefix) == (before, shared)


def test_a_soft_prompt_has_a_gradient_at_each_of_its_tokens(siglip: Clip) -> None:
    tower = text_tower(siglip.model)
    encoder = PromptEncoder(tower, tokenize_classes(siglip.tokenizer, NAMES, 3, tower.context_length))
    prompt_PW = (0.1 * torch.randn(3, tower.width, generator=torch.Generator().manual_seed(1))).requires_grad_()
    encoder(prompt_PW[None])[0, 0, 0].backward()
    assert prompt_PW.grad is not None and (prompt_PW.grad.abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("n_ctx", [1, 4, 8])
def test_class_tokens_have_no_start_token_and_end_with_the_end_of_text(siglip: Clip, n_ctx: int) -> None:
    classes = tokenize_classes(siglip.tokenizer, NAMES[:2], n_ctx, CONTEXT_LENGTH)
    x, dog, alarm, clock = siglip.tokenizer.encode("X dog alarm clock")
    end_of_text = 1
    assert classes.before == 0
    for row, own, end in zip(classes.tokens_CL.tolist(), ([dog], [alarm, clock]), classes.ends_C, strict=True):
        assert row[: end + 1] == [*[x] * n_ctx, *own, end_of_text]
        assert set(row[end:]) == {end_of_text} and len(row) == CONTEXT_LENGTH
    assert classes.suffix_lengths == (2, 3)


def test_names_are_held_against_the_length_of_its_texts(siglip: Clip) -> None:
    fits = "dog " * (CONTEXT_LENGTH - 5)
    assert tokenize_classes(siglip.tokenizer, [fits], 4, CONTEXT_LENGTH).ends_C == (CONTEXT_LENGTH - 1,)
    with pytest.raises(ValueError, match=r"needs 15 tokens with 4 context tokens, but the text tower has 14"):
        tokenize_classes(siglip.tokenizer, [fits + "ox"], 4, CONTEXT_LENGTH)
    check_texts_fit(siglip.tokenizer, "a photo of {}.", [fits + "ox"])
    with pytest.raises(ValueError, match=r"needs 15 tokens in 'a photo of a \{\}\.'"):
        check_texts_fit(siglip.tokenizer, "a photo of a {}.", [fits + "ox"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Dog", "dog"), "'Dog' and 'dog' are one text to CLIP's tokenizer, which reads 'dog' in both"),
        (("zebra-fish", "zebrafish"), "which reads 'zebrafish' in both"),
        (("dog", "!?"), "'!\\?' is empty to CLIP's tokenizer"),
    ],
)
def test_names_that_its_cleaning_makes_equal_are_refused(siglip: Clip, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_class_names(siglip.tokenizer, names)


def test_a_tokenizer_without_the_placeholder_is_refused_for_soft_prompts(
    tmp_path: Path, tiny_model_name: Callable[..., str]
) -> None:
    name = tiny_model_name(**siglip_config(write_tokenizer(tmp_path / "tokenizer", placeholder=False)))
    clip = load_clip(ClipConfig(model=name, pretrained="random", device="cpu"))
    with pytest.raises(ValueError, match=r"does not read 'X X dog\.' as 2 tokens and a name.*zero-shot"):
        tokenize_classes(clip.tokenizer, ["dog"], 2, CONTEXT_LENGTH)


def test_a_model_that_needs_the_extra_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"transformers is not installed: pip install 'spg-dist\[siglip\]'"):
        load_clip(ClipConfig(model="ViT-B-16-SigLIP", pretrained="random", device="cpu"))


def test_an_absent_tokenizer_is_named(tiny_model_name: Callable[..., str], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    for place in ("nobody/has-this", str(tmp_path / "empty")):
        name = tiny_model_name(**siglip_config(Path(place)))
        with pytest.raises(ValueError, match=rf"reads its texts with the tokenizer {place}, which cannot be loaded"):
            load_clip(ClipConfig(model=name, pretrained="random", device="cpu"))


def test_a_text_model_of_the_hub_reads_hand_written_prompts_and_takes_no_soft_ones(
    tmp_path: Path, tiny_model_name: Callable[..., str]
) -> None:
    folder = str(write_tokenizer(tmp_path / "text", start=True))
    tiny = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    transformers.RobertaConfig(**tiny, intermediate_size=32, pad_token_id=1).save_pretrained(folder)
    text = {"hf_model_name": folder, "hf_tokenizer_name": folder, "hf_pooler_type": "mean_pooler"}
    clip = load_clip(ClipConfig(model=tiny_model_name(text_cfg=text), pretrained="random", device="cpu"))
    texts_CD = clip.model.encode_text(clip.tokenizer([f"a photo of a {name}." for name in NAMES]))
    assert texts_CD.shape == (len(NAMES), clip.feature_width) and torch.pdist(texts_CD).min() > 1e-4
    with pytest.raises(ValueError, match=r"HFTextEncoder\) takes no soft prompts"):
        text_tower(clip.model)
