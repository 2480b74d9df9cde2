"""The encoder and the predictions against numbers recorded from the published implementation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.clip.class_tokens import ClassTokens, tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import TextTower, text_tower
from spg_dist.evaluation.accuracy import percent_correct, predict_from_prompts
from spg_dist.gan.config import GanConfig
from spg_dist.gan.training import build_generator
from spg_dist.generators import Generator
from spg_dist.soft_prompt.initial import initial_prompt

Record = dict[str, np.ndarray]


def record(shared_dir: Path, name: str) -> Record:
    with np.load(shared_dir / "goldens" / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def recorded_tower(golden: Record) -> tuple[TextTower, float]:
    """The tiny CLIP that the record was made with, as an open_clip module; its exp(logit_scale)."""
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 32}
    model = open_clip.CLIP(embed_dim=64, vision_cfg=vision, text_cfg=text, quick_gelu=True)
    table = torch.zeros(49408, 64)
    table[golden["clip.token_embedding.used_ids"]] = floats(golden["clip.token_embedding.used_rows"])
    state = {"token_embedding.weight": table}
    for name, array in golden.items():
        if name.startswith("clip.") and "token_embedding" not in name:
            state[name.removeprefix("clip.")] = floats(array)
    lacking, unknown = model.load_state_dict(state, strict=False)
    assert not unknown and all(name.startswith("visual.") for name in lacking)
    model.eval().requires_grad_(False)
    return text_tower(model), math.exp(float(model.logit_scale))


def floats(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def classes_of(golden: Record, tower: TextTower) -> ClassTokens:
    names = [str(name) for name in golden["classnames"]]
    return tokenize_classes(open_clip.get_tokenizer("ViT-B-32"), names, 4, tower.context_length)


def test_tokens_end_where_the_published_ones_do(shared_dir: Path) -> None:
    golden = record(shared_dir, "g4_stage1")
    tower, _ = recorded_tower(golden)
    classes = classes_of(golden, tower)
    published_CL = torch.from_numpy(golden["tokenized_prompts"].astype(np.int64))
    assert classes.ends_C == tuple(published_CL.argmax(dim=-1).tolist())
    torch.testing.assert_close(classes.tokens_CL[:, 5:], published_CL[:, 5:], rtol=0, atol=0)


def test_the_first_prompt_is_the_published_one(shared_dir: Path) -> None:
    golden = record(shared_dir, "g4_stage1")
    tower, _ = recorded_tower(golden)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    first_PW = initial_prompt(tower, tokenizer, "a photo of a", n_ctx=4, seed=1)
    torch.testing.assert_close(first_PW, floats(golden["ctx_init"]), rtol=0, atol=0)


@pytest.mark.parametrize("fast", [True, False], ids=["shared prefix", "plain"])
def test_stage_1_logits_at_the_start_are_the_published_ones(shared_dir: Path, fast: bool) -> None:
    golden = record(shared_dir, "g4_stage1")
    tower, scale = recorded_tower(golden)
    encoder = PromptEncoder(tower, classes_of(golden, tower))
    context_BPW = floats(golden["ctx_init"])[None]
    text_CD = encoder(context_BPW)[0] if fast else F.normalize(encoder.plain(context_BPW)[0], dim=-1)
    logits_BC = scale * F.normalize(floats(golden["features"][:8]), dim=-1) @ text_CD.T
    torch.testing.assert_close(logits_BC, floats(golden["logits_init_first8"]), rtol=0, atol=2e-5)


def generator_of(golden: Record) -> Generator:
    generator = build_generator(GanConfig(), feature_width=64, n_ctx=4, text_width=64)
    state: dict[str, Any] = {
        name[2:]: torch.from_numpy(array).float() if array.dtype == np.float16 else torch.from_numpy(array)
        for name, array in golden.items()
        if name.startswith("G.")
    }
    nn.Module.load_state_dict(generator, state, strict=True)
    generator.eval().requires_grad_(False)
    return generator


def test_inference_gives_the_published_logits_and_predictions(shared_dir: Path) -> None:
    golden = record(shared_dir, "g5_inference")
    tower, _ = recorded_tower(golden)
    encoder = PromptEncoder(tower, classes_of(golden, tower))
    x_BD = F.normalize(floats(golden["features"]), dim=-1)
    context_BPW = generator_of(golden)(floats(golden["noise"]), x_BD)
    torch.testing.assert_close(context_BPW, floats(golden["gen_ctx"]), rtol=0, atol=5e-6)

    logits_BC = torch.einsum("bcd,bd->bc", encoder(context_BPW), x_BD)
    torch.testing.assert_close(logits_BC, floats(golden["logits"]), rtol=0, atol=5e-6)

    predicted_B = predict_from_prompts(context_BPW, encoder, x_BD)
    assert predicted_B.tolist() == golden["logits"].argmax(axis=1).tolist()
    label_B = torch.from_numpy(golden["labels"])
    published_percent = 100 * float((golden["logits"].argmax(axis=1) == golden["labels"]).mean())
    assert percent_correct(predicted_B, label_B) == pytest.approx(published_percent, abs=1e-5)


def test_contexts_rounded_to_half_precision_give_the_published_rounded_logits(shared_dir: Path) -> None:
    golden = record(shared_dir, "g5_inference")
    tower, _ = recorded_tower(golden)
    encoder = PromptEncoder(tower, classes_of(golden, tower))
    context_BPW = floats(golden["gen_ctx"]).half().float()
    x_BD = F.normalize(floats(golden["features"]), dim=-1)
    logits_BC = torch.einsum("bcd,bd->bc", encoder(context_BPW), x_BD)
    torch.testing.assert_close(logits_BC, floats(golden["logits_ctx_fp16"]), rtol=0, atol=5e-6)
