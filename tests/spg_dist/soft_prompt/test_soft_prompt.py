"""Stage 1's training of one soft prompt against a slow loop; where a prompt starts; what a checkpoint holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIPTextCfg, _build_text_tower

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import TextTower, text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.initial import initial_prompt
from spg_dist.soft_prompt.training import SoftPromptTraining
from spg_dist.training import learning_rates
from spg_dist.training.batches import shuffled_batches
from spg_dist.training.seeds import numpy_random

NAMES = ("dog", "alarm clock", "house")
WIDTH, IMAGES, SCALE = 24, 40, 14.0
TRAIN, VAL = np.arange(30), np.arange(30, 40)


@pytest.fixture(scope="module")
def tower() -> TextTower:
    torch.manual_seed(2)
    config = CLIPTextCfg(context_length=16, vocab_size=49408, width=32, heads=2, layers=2)
    return text_tower(_build_text_tower(WIDTH, config, quick_gelu=True).eval().requires_grad_(False))


@pytest.fixture(scope="module")
def encoder(tower: TextTower) -> PromptEncoder:
    return PromptEncoder(tower, tokenize_classes(open_clip.get_tokenizer("ViT-B-32"), NAMES, 4, 16))


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    images = tuple(ImageRecord(f"{i}.png", i % 3, 0, "train" if i < 30 else "val") for i in range(IMAGES))
    manifest = Manifest("toy", Path("/nowhere"), NAMES, ("one",), images)
    centres = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(IMAGES, WIDTH, generator=torch.Generator().manual_seed(2))
    return FeatureTable(manifest, StoredView(centres[torch.arange(IMAGES) % 3] + 0.7 * noise, torch.arange(IMAGES)), [])


def training(
    config: SoftPromptConfig, table: FeatureTable, encoder: PromptEncoder, seed: int = 1
) -> SoftPromptTraining:
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    first = initial_prompt(encoder.tower, tokenizer, config.initial_text, config.n_ctx, seed)
    return SoftPromptTraining(config, table, TRAIN, VAL, encoder, first, SCALE, seed)


def test_epochs_equal_a_slow_loop_of_softmax_and_momentum(table: FeatureTable, encoder: PromptEncoder) -> None:
    config = SoftPromptConfig(epochs=4, batch_size=8, learning_rate=0.05, weight_decay=1e-2)
    ours = training(config, table, encoder)
    prompt, velocity = ours.prompt_PW.detach().clone(), torch.zeros_like(ours.prompt_PW)
    for epoch, rate in enumerate(learning_rates(0.05, 4, config.schedule)):
        losses = []
        for rows in shuffled_batches(TRAIN, 8, numpy_random(1, "soft prompt", epoch)):
            variable = prompt.clone().requires_grad_()
            texts = F.normalize(encoder.plain(variable[None])[0], dim=-1)
            rated = (SCALE * table.features(rows) @ texts.T).softmax(dim=-1)
            loss = -rated[torch.arange(len(rows)), torch.from_numpy(rows) % 3].log().mean()
            (gradient,) = torch.autograd.grad(loss, variable)
            velocity = 0.9 * velocity + gradient + 1e-2 * prompt
            prompt = prompt - rate * velocity
            losses.append(float(loss.detach()))
        metrics = ours.train_epoch(epoch)
        assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
        assert metrics["learning_rate"] == rate
    torch.testing.assert_close(ours.prompt_PW.detach(), prompt, rtol=1e-4, atol=1e-5)


def test_training_lowers_the_loss_and_never_changes_the_tower(table: FeatureTable, encoder: PromptEncoder) -> None:
    before = encoder.tower.token_embedding.weight.clone()
    ours = training(SoftPromptConfig(epochs=12, batch_size=8, learning_rate=0.05), table, encoder)
    losses = [ours.train_epoch(epoch)["loss"] for epoch in range(12)]
    assert losses[-1] < losses[0]
    assert torch.equal(encoder.tower.token_embedding.weight, before)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_run_that_goes_on_from_its_state_ends_like_an_undisturbed_one(
    table: FeatureTable, encoder: PromptEncoder, momentum: float
) -> None:
    config = SoftPromptConfig(epochs=4, batch_size=8, learning_rate=0.05, momentum=momentum)
    whole, first, second = (training(config, table, encoder) for _ in range(3))
    for epoch in range(4):
        whole.train_epoch(epoch)
    for epoch in range(2):
        first.train_epoch(epoch)
    second.load_state({name: tensor.detach().clone() for name, tensor in first.state().items()})
    for epoch in (2, 3):
        second.train_epoch(epoch)
    assert torch.equal(second.prompt_PW, whole.prompt_PW)


def test_val_accuracy_is_that_of_the_nearest_text(table: FeatureTable, encoder: PromptEncoder) -> None:
    ours = training(SoftPromptConfig(), table, encoder)
    texts = F.normalize(encoder.plain(ours.prompt_PW.detach()[None])[0], dim=-1)
    nearest = (table.features(VAL) @ texts.T).argmax(dim=-1)
    assert ours.val_accuracy() == pytest.approx(100 * float((nearest == torch.from_numpy(VAL) % 3).float().mean()))


def test_a_prompt_starts_at_the_embeddings_of_its_text(tower: TextTower) -> None:
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    ids = tokenizer("a photo of a")[0, 1:5]
    first = initial_prompt(tower, tokenizer, "a photo of a", 4, seed=1)
    assert torch.equal(first, tower.token_embedding.weight[ids])
    first += 1
    assert not torch.equal(first, tower.token_embedding.weight[ids])  # a copy: training must not touch the table


def test_a_prompt_without_text_starts_random_by_its_seed(tower: TextTower) -> None:
    first, again, other = (initial_prompt(tower, None, "", 16, seed) for seed in (1, 1, 2))
    assert first.shape == (16, 32)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert float(first.std()) == pytest.approx(0.02, rel=0.2)


def test_a_text_of_another_length_than_the_prompt_is_refused(tower: TextTower) -> None:
    with pytest.raises(ValueError, match="'a photo of a' has 4 tokens, but n_ctx is 16"):
        initial_prompt(tower, open_clip.get_tokenizer("ViT-B-32"), "a photo of a", 16, seed=1)


@pytest.mark.parametrize("field", ["n_ctx", "epochs", "batch_size", "learning_rate", "momentum", "weight_decay"])
def test_a_setting_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is -1"):
        SoftPromptConfig(**{field: -1})
