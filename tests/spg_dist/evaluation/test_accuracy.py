"""Predictions from one text for all images and from a prompt per image, against a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIPTextCfg, _build_text_tower

from spg_dist.clip.class_tokens import ClassTokens
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.evaluation import accuracy
from spg_dist.evaluation.accuracy import (
    accuracy_of_prompts,
    accuracy_of_text,
    percent_correct,
    predict_from_prompts,
    predict_from_text,
)
from spg_dist.features import FeatureTable, StoredView

CLASSES = 5
WIDTH = 16


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    torch.manual_seed(0)
    config = CLIPTextCfg(context_length=12, vocab_size=60, width=32, heads=2, layers=2)
    model = _build_text_tower(WIDTH, config, quick_gelu=True).eval().requires_grad_(False)
    for parameter in model.parameters():  # spread the classes: initial weights give nearly equal texts
        parameter.add_(0.3 * torch.randn_like(parameter))
    tokens = torch.zeros(CLASSES, 12, dtype=torch.int64)
    for c in range(CLASSES):
        tokens[c, : 6 + c % 2] = torch.tensor([57, 1, 1, 10 + c, *([20 + c] * (c % 2)), 2, 59])
    ends = tuple(int(end) for end in tokens.argmax(dim=-1))
    return PromptEncoder(text_tower(model), ClassTokens(tuple("abcde"), 2, tokens, ends))


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    images = tuple(ImageRecord(f"{i}.png", i % CLASSES, 0, "val") for i in range(30))
    manifest = Manifest("toy", Path("/nowhere"), tuple("abcde"), ("one",), images)
    features = torch.randn(30, WIDTH, generator=torch.Generator().manual_seed(1))
    return FeatureTable(manifest, StoredView(features, torch.arange(30)), [])


def test_each_image_is_classified_with_the_texts_of_its_own_prompt(
    encoder: PromptEncoder, table: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "ROWS_AT_ONCE", 7)  # the last part is smaller
    prompts = torch.randn(30, 2, 32, generator=torch.Generator().manual_seed(2))
    x_BD = table.features(np.arange(30))
    expected = [
        int((encoder.plain(prompts[i : i + 1])[0] @ x_BD[i]).div(norms(encoder, prompts, i)).argmax())
        for i in range(30)
    ]
    assert len(set(expected)) > 1
    assert predict_from_prompts(prompts, encoder, x_BD).tolist() == expected
    correct = sum(k == i % CLASSES for i, k in enumerate(expected))
    assert accuracy_of_prompts(prompts, encoder, table, np.arange(30)) == pytest.approx(100 * correct / 30)


def norms(encoder: PromptEncoder, prompts: torch.Tensor, i: int) -> torch.Tensor:
    return encoder.plain(prompts[i : i + 1])[0].norm(dim=-1)


def test_one_text_per_class_is_compared_with_every_image(table: FeatureTable) -> None:
    text_CD = F.normalize(torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(3)), dim=-1)
    rows = np.array([3, 11, 4, 29])
    x_BD = table.features(rows)
    expected = [max(range(CLASSES), key=lambda c: float(x @ text_CD[c])) for x in x_BD]
    assert predict_from_text(text_CD, x_BD).tolist() == expected
    correct = sum(k == int(row) % CLASSES for row, k in zip(rows, expected, strict=True))
    assert accuracy_of_text(text_CD, table, rows) == pytest.approx(25.0 * correct)


def test_accuracy_is_in_percent() -> None:
    assert percent_correct(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 0])) == 75.0
