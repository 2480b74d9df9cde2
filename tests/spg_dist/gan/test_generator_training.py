"""Stage 2's training: what it reads, that a seed fixes it, that a run is the same alone and among others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
from spg_dist.gan.draws import epoch_rows
from spg_dist.gan.training import EpochBatches, GeneratorRun, GeneratorTraining, build_generator

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


def made_run(
    encoder: PromptEncoder,
    seed: int = 1,
    made: FeatureTable | None = None,
    config: GanConfig = SMALL,
    sources: tuple[int, int] = (0, 1),
    clip: bool = True,
) -> GeneratorRun:
    """The prompt label of a domain that is no source is NaN."""
    made = made or table()
    labels = torch.randn(DOMAINS, 3, 16, generator=torch.Generator().manual_seed(4)).tanh()
    labels[[k for k in range(DOMAINS) if k not in sources]] = float("nan")
    rows = made.manifest.rows(set(sources), {"train"}), made.manifest.rows(set(sources), {"val"})
    return GeneratorRun(config, made, *rows, digests(rows[1]), labels, encoder, seed, clip)


def digests(rows: np.ndarray) -> list[str]:
    return [f"digest of {row}" for row in rows]


def training(encoder: PromptEncoder, seed: int = 1, poisoned: int | None = None) -> GeneratorTraining:
    """A group of one; domain 2 is left out."""
    return GeneratorTraining([made_run(encoder, seed, table(poisoned))])


def run(made: GeneratorTraining, epochs: range = range(4), number: int = 0) -> list[dict[str, float]]:
    return [made.train_epoch({number: e})[number] | {"val_accuracy": made.val_accuracy(number)} for e in epochs]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(encoder: PromptEncoder) -> None:
    first, again, other = training(encoder), training(encoder), training(encoder, seed=2)
    torch.manual_seed(77)
    assert run(first) == run(again)
    torch.rand(3)
    assert run(other) != run(training(encoder))
    assert all(torch.equal(first.weights(0)[name], tensor) for name, tensor in again.weights(0).items())


def different_runs(encoder: PromptEncoder) -> list[GeneratorRun]:
    """Of one program: sources, numbers of steps, seeds, rates, limits, dropout, weight decay and epochs differ."""
    made = uneven_table()
    calm = ClipNorms(d_weight=1e-3, g_weight=1e-3)
    configs = [
        SMALL,
        replace(SMALL, learning_rate=1e-3, dropout=0.0),
        replace(SMALL, clip_norms=calm, dropout=0.2, betas=(0.5, 0.99)),
        replace(SMALL, weight_decay=0.1, epochs=3),
        SMALL,
    ]
    sources = [(0, 1), (0, 2), (1, 2), (0, 1), (1, 2)]
    return [
        made_run(encoder, seed, made, config, source, clip=seed != 4)
        for seed, (config, source) in enumerate(zip(configs, sources, strict=True))
    ]


def uneven_table() -> FeatureTable:
    """Domains of 20, 28 and 40 images, a quarter of them in the val split; two augmented views."""
    domains = [0] * 20 + [1] * 28 + [2] * 40
    images = tuple(ImageRecord(f"{i}.png", i % 2, k, "val" if i % 4 == 0 else "train") for i, k in enumerate(domains))
    manifest = Manifest("toy", Path("/nowhere"), NAMES, ("a", "b", "c"), images)
    random = torch.Generator().manual_seed(1)
    views = [StoredView(torch.randn(len(images), WIDTH, generator=random), torch.arange(len(images))) for _ in range(3)]
    return FeatureTable(manifest, views[0], views[1:])


@pytest.fixture
def float64() -> Iterator[None]:
    """In float32 the steps enlarge what the last bits of neighbours may differ in, until nothing can be compared."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_same_state(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-9, msg=name)


def test_runs_trained_together_come_to_what_each_comes_to_alone(encoder: PromptEncoder, float64: None) -> None:
    """In lockstep, though each has its own rows, rates and limits; a run that is done leaves the group."""
    runs = different_runs(encoder)
    assert sorted({r.steps for r in runs}) == [4, 5, 6]
    together, histories = GeneratorTraining(runs), [[] for _ in runs]  # type: ignore[var-annotated]
    states = {}
    for epoch in range(4):
        going = {n: epoch for n, r in enumerate(runs) if epoch < r.config.epochs}
        for n, metrics in together.train_epoch(going).items():
            histories[n].append(metrics)
            states[n] = {name: tensor.clone() for name, tensor in together.state(n).items()}
    for n, one in enumerate(runs):
        alone = GeneratorTraining([one])
        for epoch, metrics in enumerate(histories[n]):
            assert alone.train_epoch({0: epoch})[0] == pytest.approx(metrics, rel=1e-6)
        assert len(histories[n]) == one.config.epochs
        assert_same_state(states[n], alone.state(0))


def test_runs_resumed_in_another_group_and_in_other_epochs_end_the_same(encoder: PromptEncoder, float64: None) -> None:
    """As after a kill: the first resumes after epoch 1, the others after epoch 2, and one of them no more."""
    runs = different_runs(encoder)
    first, expected = GeneratorTraining(runs), GeneratorTraining(runs)
    for epoch in range(4):
        expected.train_epoch(dict.fromkeys(range(3), epoch))
    saved = []
    for epoch in range(2):
        first.train_epoch(dict.fromkeys(range(3), epoch))
        saved.append([{name: t.clone() for name, t in first.state(n).items()} for n in range(3)])
    resumed = GeneratorTraining([runs[1], runs[0]])
    resumed.load_state(0, saved[1][1])
    resumed.load_state(1, saved[0][0])
    for epochs in ({0: 2, 1: 1}, {0: 3, 1: 2}):
        resumed.train_epoch(epochs)
    assert_same_state(resumed.state(0), expected.state(1))
    resumed.train_epoch({1: 3})
    assert_same_state(resumed.state(1), expected.state(0))


def test_only_runs_of_the_same_sizes_are_one_program(encoder: PromptEncoder) -> None:
    made = table()
    first = made_run(encoder, made=made)
    assert first.alike == made_run(encoder, 2, made, replace(SMALL, learning_rate=1.0, dropout=0.0)).alike
    for other in ({"d_width": 11}, {"g_widths": [8, 16]}, {"latent_width": 6}, {"batch_size": 4}):
        assert first.alike != made_run(encoder, made=made, config=replace(SMALL, **other)).alike
    assert first.alike != made_run(encoder).alike  # another table


def test_on_a_cpu_every_run_is_a_program_of_its_own(encoder: PromptEncoder) -> None:
    made = table()
    first, second = made_run(encoder, 1, made), made_run(encoder, 2, made)
    assert first.program == first.program != second.program
    made.device = torch.device("cuda")
    assert first.program == second.program


def test_a_run_that_goes_on_from_its_state_ends_like_an_undisturbed_one(encoder: PromptEncoder) -> None:
    whole, first, second = (training(encoder) for _ in range(3))
    expected = run(whole)
    before = run(first, range(2))
    second.load_state(0, {name: tensor.detach().clone() for name, tensor in first.state(0).items()})
    assert before + run(second, range(2, 4)) == expected
    for name, tensor in whole.state(0).items():
        assert torch.equal(second.state(0)[name], tensor), name


def test_the_unseen_domain_is_never_read(encoder: PromptEncoder) -> None:
    clean, poisoned = training(encoder), training(encoder, poisoned=2)
    assert run(clean) == run(poisoned)
    assert all(torch.equal(poisoned.state(0)[name], tensor) for name, tensor in clean.state(0).items())


def test_the_unseen_domain_is_not_read_next_to_a_run_that_may_read_it(encoder: PromptEncoder, float64: None) -> None:
    poisoned = table(2)
    group = GeneratorTraining([made_run(encoder, made=poisoned), made_run(encoder, made=poisoned, sources=(1, 2))])
    metrics = [group.train_epoch({0: epoch, 1: epoch}) for epoch in range(4)]
    assert all(np.isfinite(m[0]["d_loss"]) and not np.isfinite(m[1]["d_loss"]) for m in metrics)
    alone = training(encoder)
    for epoch, together in enumerate(metrics):
        assert alone.train_epoch({0: epoch})[0] == pytest.approx(together[0], rel=1e-6)
    assert_same_state(group.state(0), alone.state(0))


def test_a_source_domain_is_read(encoder: PromptEncoder) -> None:
    """The poison works: in a source domain it reaches the losses."""
    assert not np.isfinite(training(encoder, poisoned=1).train_epoch({0: 0})[0]["d_loss"])


def test_validation_uses_one_draw_of_noise_for_all_epochs(encoder: PromptEncoder) -> None:
    made = training(encoder)
    noise = made.val_z[0].clone()
    run(made)
    assert torch.equal(made.val_z[0], noise)
    assert made.val_accuracy(0) == made.val_accuracy(0)


def test_validation_is_that_of_the_plain_generator_with_its_running_statistics(encoder: PromptEncoder) -> None:
    made = training(encoder)
    run(made)
    given = made.runs[0]
    plain = build_generator(SMALL, WIDTH, 3, 16)
    plain.load_state_dict(made.weights(0))
    with torch.no_grad():
        prompts = plain.eval()(made.val_z[0], given.table.features(given.val_rows))
        texts = torch.nn.functional.normalize(encoder.plain(prompts), dim=-1)
    said = torch.einsum("bcd,bd->bc", texts, given.table.features(given.val_rows)).argmax(dim=1)
    assert made.val_accuracy(0) == pytest.approx(
        100 * float((said == torch.from_numpy(given.val_rows) % 2).float().mean())
    )


def test_each_image_is_shown_with_its_own_domains_label_and_view(encoder: PromptEncoder) -> None:
    made = uneven_table()
    runs = [made_run(encoder, 1, made), made_run(encoder, 2, made, sources=(1, 2))]
    batches = EpochBatches(made, runs, [0, 3])
    for number, (one, epoch) in enumerate(zip(runs, (0, 3), strict=True)):
        drawn_S2B = epoch_rows(one.train_rows, 8, one.seed, epoch)
        for step, (real, fake) in enumerate(drawn_S2B):
            label_ABPW, real_ABD, fake_ABD = batches.step(step, 2)
            assert torch.equal(label_ABPW[number], one.labels_KPW[made.domain_N[real]])
            assert torch.equal(real_ABD[number], made.training_features(real, epoch))
            assert torch.equal(fake_ABD[number], made.training_features(fake, epoch))


def test_one_training_image_is_too_few(encoder: PromptEncoder) -> None:
    made = table()
    with pytest.raises(ValueError, match=r"1 training image .* BatchNorm needs at least two"):
        GeneratorRun(SMALL, made, np.array([0]), np.array([15]), ["15"], torch.zeros(3, 3, 16), encoder, 1)


def test_fewer_images_than_a_batch_make_one_smaller_batch(encoder: PromptEncoder) -> None:
    made = table()
    few = GeneratorRun(SMALL, made, np.array([0, 1, 22]), np.array([15]), ["15"], torch.zeros(3, 3, 16), encoder, 1)
    assert (few.batch, few.steps) == (3, 1)
    assert np.isfinite(GeneratorTraining([few]).train_epoch({0: 0})[0]["g_loss"])


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
        ("val_every", 0),
        ("val_images", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        GanConfig(**{field: value})  # type: ignore[arg-type]


def test_a_clip_limit_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clip_norms\.g_bias is 0"):
        ClipNorms(g_bias=0.0)
