"""Stage 2's training: what it reads, that a seed fixes it, that it goes on from its state, its settings' limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIPTextCfg, _build_text_tower

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView
from spg_dist.gan.config import ClipNorms, GanConfig
from spg_dist.gan.training import GeneratorTraining

NAMES = ("dog", "house")
WIDTH, PER_DOMAIN, DOMAINS = 12, 20, 3
SMALL = GanConfig(latent_width=5, g_widths=[8, 12], d_width=10, epochs=4, batch_size=8)


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    torch.manual_seed(2)
    config = CLIPTextCfg(context_length=16, vocab_size=49408, width=16, heads=2, layers=1)
    tower = text_tower(_build_text_tower(WIDTH, config, quick_gelu=True).eval().requires_grad_(False))
    return PromptEncoder(tower, tokenize_classes(open_clip.get_tokenizer("ViT-B-32"), NAMES, 3, 16))


def table(poisoned: int | None = None) -> FeatureTable:
    """20 images in each of 3 domains; the features of one may be NaN."""
    images = tuple(
        ImageRecord(f"{i}.png", i % 2, i // PER_DOMAIN, "train" if i % PER_DOMAIN < 14 else "val")
        for i in range(PER_DOMAIN * DOMAINS)
    )
    features = torch.randn(len(images), WIDTH, generator=torch.Generator().manual_seed(1))
    if poisoned is not None:
        features[poisoned * PER_DOMAIN : (poisoned + 1) * PER_DOMAIN] = float("nan")
    manifest = Manifest("toy", Path("/nowhere"), NAMES, ("a", "b", "c"), images)
    return FeatureTable(manifest, StoredView(features, torch.arange(len(images))), [])


def training(
    encoder: PromptEncoder, seed: int = 1, poisoned: int | None = None, config: GanConfig = SMALL
) -> GeneratorTraining:
    """Domain 2 is left out: its prompt label is NaN."""
    made, labels = table(poisoned), torch.randn(DOMAINS, 3, 16, generator=torch.Generator().manual_seed(4)).tanh()
    labels[2] = float("nan")
    rows = made.rows({0, 1}, {"train"}), made.rows({0, 1}, {"val"})
    return GeneratorTraining(config, made, *rows, labels, encoder, seed)


def run(made: GeneratorTraining, epochs: range = range(4)) -> list[dict[str, float]]:
    return [made.train_epoch(e) | {"val_accuracy": made.val_accuracy()} for e in epochs]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(encoder: PromptEncoder) -> None:
    first, again, other = training(encoder), training(encoder), training(encoder, seed=2)
    torch.manual_seed(77)
    assert run(first) == run(again)
    torch.rand(3)
    assert run(other) != run(training(encoder))
    assert all(torch.equal(first.weights()[name], tensor) for name, tensor in again.weights().items())


def test_a_run_that_goes_on_from_its_state_ends_like_an_undisturbed_one(encoder: PromptEncoder) -> None:
    whole, first, second = (training(encoder) for _ in range(3))
    expected = run(whole)
    before = run(first, range(2))
    second.load_state({name: tensor.detach().clone() for name, tensor in first.state().items()})
    assert before + run(second, range(2, 4)) == expected
    for name, tensor in whole.state().items():
        assert torch.equal(second.state()[name], tensor), name


def test_the_unseen_domain_is_never_read(encoder: PromptEncoder) -> None:
    clean, poisoned = training(encoder), training(encoder, poisoned=2)
    assert run(clean) == run(poisoned)
    assert all(torch.equal(poisoned.state()[name], tensor) for name, tensor in clean.state().items())


def test_a_source_domain_is_read(encoder: PromptEncoder) -> None:
    """The poison works: in a source domain it reaches the losses."""
    assert not np.isfinite(training(encoder, poisoned=1).train_epoch(0)["d_loss"])


def test_validation_uses_one_draw_of_noise_for_all_epochs(encoder: PromptEncoder) -> None:
    made = training(encoder)
    noise = made.val_z.clone()
    run(made)
    assert torch.equal(made.val_z, noise)
    assert made.val_accuracy() == made.val_accuracy()


def test_each_image_is_shown_with_its_own_domains_label(encoder: PromptEncoder) -> None:
    made, rows = training(encoder), np.array([25, 3, 30, 0])
    inputs = made._inputs(rows, rows[::-1].copy(), 0, torch.Generator().manual_seed(0))
    assert torch.equal(inputs.label_BPW, made.labels_KPW[[1, 0, 1, 0]])
    assert torch.equal(inputs.real_BD, made.table.features(rows))
    assert torch.equal(inputs.fake_BD, made.table.features(rows[::-1].copy()))
    assert inputs.z_BZ.shape == (4, 5)
    keeps = [keep for keep in inputs.keep_32BU if keep is not None]
    assert len(keeps) == 3 and all(keep.shape == (2, 4, 10) for keep in keeps)
    assert not torch.equal(keeps[0], keeps[1]) and not torch.equal(keeps[1], keeps[2])


def test_one_training_image_is_too_few(encoder: PromptEncoder) -> None:
    made = table()
    with pytest.raises(ValueError, match=r"1 training image .* BatchNorm needs at least two"):
        GeneratorTraining(SMALL, made, np.array([0]), np.array([15]), torch.zeros(3, 3, 16), encoder, 1)


def test_fewer_images_than_a_batch_make_one_smaller_batch(encoder: PromptEncoder) -> None:
    made = table()
    few = GeneratorTraining(SMALL, made, np.array([0, 1, 22]), np.array([15]), torch.zeros(3, 3, 16), encoder, 1)
    assert np.isfinite(few.train_epoch(0)["g_loss"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latent_width", 0),
        ("epochs", 0),
        ("batch_size", 1),
        ("g_widths", [8]),
        ("dropout", 1.0),
        ("learning_rate", 0.0),
        ("betas", (0.9, 1.0)),
        ("weight_decay", -0.1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        GanConfig(**{field: value})  # type: ignore[arg-type]


def test_a_clip_limit_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clip_norms\.g_bias is 0"):
        ClipNorms(g_bias=0.0)
