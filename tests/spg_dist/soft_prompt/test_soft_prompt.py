"""Stage 1's training of one soft prompt against a slow loop; where a prompt starts; what a checkpoint holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIPTextCfg, _build_text_tower

from spg_dist.clip import frozen_linear
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import TextTower, text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.initial import initial_prompt
from spg_dist.soft_prompt.training import SoftPromptRun, SoftPromptTraining
from spg_dist.training.batches import shuffled_batches
from spg_dist.training.run_blocks import blocks_of
from spg_dist.training.schedule import learning_rates
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
    return SoftPromptTraining([SoftPromptRun(config, table, TRAIN, VAL, encoder, first, SCALE, seed)])


def test_epochs_equal_a_slow_loop_of_softmax_and_momentum(table: FeatureTable, encoder: PromptEncoder) -> None:
    config = SoftPromptConfig(epochs=4, batch_size=8, learning_rate=0.05, weight_decay=1e-2)
    ours = training(config, table, encoder)
    prompt = ours.weights(0)["prompt"].clone()
    velocity = torch.zeros_like(prompt)
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
        metrics = ours.train_epoch({0: epoch})[0]
        assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
        assert metrics["learning_rate"] == rate
    torch.testing.assert_close(ours.weights(0)["prompt"], prompt, rtol=1e-4, atol=1e-5)


def test_training_lowers_the_loss_and_never_changes_the_tower(table: FeatureTable, encoder: PromptEncoder) -> None:
    before = encoder.tower.token_embedding.weight.clone()
    ours = training(SoftPromptConfig(epochs=12, batch_size=8, learning_rate=0.05), table, encoder)
    losses = [ours.train_epoch({0: epoch})[0]["loss"] for epoch in range(12)]
    assert losses[-1] < losses[0]
    assert torch.equal(encoder.tower.token_embedding.weight, before)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_run_that_goes_on_from_its_state_ends_like_an_undisturbed_one(
    table: FeatureTable, encoder: PromptEncoder, momentum: float
) -> None:
    config = SoftPromptConfig(epochs=4, batch_size=8, learning_rate=0.05, momentum=momentum)
    whole, first, second = (training(config, table, encoder) for _ in range(3))
    for epoch in range(4):
        whole.train_epoch({0: epoch})
    for epoch in range(2):
        first.train_epoch({0: epoch})
    second.load_state(0, {name: tensor.clone() for name, tensor in first.state(0).items()})
    for epoch in (2, 3):
        second.train_epoch({0: epoch})
    assert torch.equal(second.weights(0)["prompt"], whole.weights(0)["prompt"])


def different_runs(table: FeatureTable, encoder: PromptEncoder, prompts_at_once: int = 16) -> list[SoftPromptRun]:
    """Of one program: rows, numbers of steps, seeds, rates, momentum, weight decay and epochs differ."""
    base = SoftPromptConfig(epochs=4, batch_size=8, learning_rate=0.05, weight_decay=1e-2)
    changes = ({}, {"momentum": 0.0, "epochs": 3}, {"learning_rate": 0.2}, {"weight_decay": 0.5}, {})
    return [
        SoftPromptRun(
            config=replace(base, **change),  # type: ignore[arg-type]
            table=table,
            train_rows=TRAIN[seed : 30 - 3 * seed],
            val_rows=VAL,
            encoder=encoder,
            initial_PW=torch.randn(4, 32, generator=torch.Generator().manual_seed(seed)),
            logit_scale=SCALE + seed,
            seed=seed,
            prompts_at_once=prompts_at_once,
        )
        for seed, change in enumerate(changes)
    ]


def train_all(runs: list[SoftPromptRun]) -> dict[int, tuple[list[dict[str, float]], dict[str, torch.Tensor]]]:
    """Histories and last states of runs trained as one group."""
    group, ended = SoftPromptTraining(runs), {n: ([], {}) for n in range(len(runs))}  # type: ignore[var-annotated]
    for epoch in range(max(run.config.epochs for run in runs)):
        for n, metrics in group.train_epoch({n: epoch for n, r in enumerate(runs) if epoch < r.config.epochs}).items():
            history, _ = ended[n]
            history.append(metrics | {"val_accuracy": group.val_accuracy(n)})
            ended[n] = history, {name: tensor.clone() for name, tensor in group.state(n).items()}
    return ended


@pytest.mark.parametrize("kernels", [True, False], ids=["kernels at hand", "none"])
@pytest.mark.parametrize("at_once", [16, 2])
def test_prompts_trained_together_have_the_bits_of_prompts_trained_alone(
    table: FeatureTable,
    tower: TextTower,
    encoder: PromptEncoder,
    monkeypatch: pytest.MonkeyPatch,
    kernels: bool,
    at_once: int,
) -> None:
    if not kernels:
        monkeypatch.setattr(frozen_linear, "has_kernels", lambda weight_OI: False)
        encoder = PromptEncoder(replace(tower), encoder.classes)  # a new tower: the other's layers are laid out
    runs = different_runs(table, encoder, at_once)
    assert len({run.steps for run in runs}) > 1
    together = train_all(runs)
    for n, one in enumerate(runs):
        ((history, state),) = train_all([one]).values()
        assert together[n][0] == history
        assert all(torch.equal(together[n][1][name], tensor) for name, tensor in state.items())


def test_the_blocks_tried_are_no_larger_than_memory_or_the_group_allows(
    table: FeatureTable, encoder: PromptEncoder
) -> None:
    for at_once, most in ((16, 5), (2, 2), (1, 1)):
        sizes = SoftPromptTraining(different_runs(table, encoder, at_once)).block_sizes
        assert max(sizes) <= most and sizes[-1] == 1


def test_prompts_on_an_accelerator_share_a_step_up_to_what_memory_allows(
    table: FeatureTable, encoder: PromptEncoder
) -> None:
    group = SoftPromptTraining(different_runs(table, encoder, 3))
    group.table = FeatureTable(table.manifest, table.plain, [], "cpu")
    group.table.device = torch.device("cuda")
    assert blocks_of(5, group.block_sizes) == [slice(0, 3), slice(3, 5)]


def test_prompts_resumed_in_another_group_end_the_same(table: FeatureTable, encoder: PromptEncoder) -> None:
    runs = different_runs(table, encoder)
    whole, first = SoftPromptTraining(runs[2:]), SoftPromptTraining(runs[2:])
    for epoch in range(4):
        whole.train_epoch(dict.fromkeys(range(3), epoch))
    for epoch in range(2):
        first.train_epoch(dict.fromkeys(range(3), epoch))
    rest = SoftPromptTraining([runs[4], runs[2]])
    rest.load_state(0, {name: t.clone() for name, t in first.state(2).items()})
    rest.load_state(1, {name: t.clone() for name, t in first.state(0).items()})
    for epoch in (2, 3):
        rest.train_epoch({0: epoch, 1: epoch})
    for here, there in ((0, 2), (1, 0)):
        assert all(torch.equal(rest.state(here)[name], tensor) for name, tensor in whole.state(there).items())


def test_val_accuracy_is_that_of_the_nearest_text(table: FeatureTable, encoder: PromptEncoder) -> None:
    ours = training(SoftPromptConfig(), table, encoder)
    texts = F.normalize(encoder.plain(ours.weights(0)["prompt"][None])[0], dim=-1)
    nearest = (table.features(VAL) @ texts.T).argmax(dim=-1)
    assert ours.val_accuracy(0) == pytest.approx(100 * float((nearest == torch.from_numpy(VAL) % 3).float().mean()))


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


@pytest.mark.parametrize(
    "field", ["n_ctx", "epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "val_every", "val_images"]
)
def test_a_setting_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is -1"):
        SoftPromptConfig(**{field: -1})
