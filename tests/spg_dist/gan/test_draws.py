"""What a run draws for an epoch: by its own seed, whoever draws beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spg_dist.gan.config import GanConfig
from spg_dist.gan.draws import BLOCK_STEPS, EpochNoise, epoch_rows
from spg_dist.generators import Dropout

CONFIG = GanConfig(latent_width=5, d_width=512)
CPU = torch.device("cpu")
LAYERS = Dropout(0.1, 512), Dropout(0.3, 8, 64)
STEPS = range(BLOCK_STEPS + 2)


def test_real_batches_pass_over_all_rows_and_fake_ones_are_drawn_from_them() -> None:
    rows = np.arange(50, 90)
    drawn_S2B = epoch_rows(rows, 8, seed=1, epoch=0)
    assert drawn_S2B.shape == (5, 2, 8)
    assert sorted(drawn_S2B[:, 0].ravel()) == list(rows)
    assert all(len(set(fake)) == 8 and set(fake) <= set(rows) for fake in drawn_S2B[:, 1])
    assert (drawn_S2B == epoch_rows(rows, 8, seed=1, epoch=0)).all()
    assert (drawn_S2B != epoch_rows(rows, 8, seed=1, epoch=1)).any()
    assert (drawn_S2B != epoch_rows(rows, 8, seed=2, epoch=0)).any()


def test_a_run_draws_the_same_alone_and_beside_others() -> None:
    """Also when those beside it run out of steps."""
    settings = [(CONFIG, 1, 0), (replace(CONFIG, dropout=0.1), 2, 5), (CONFIG, 3, 1)]
    together, alone = EpochNoise(settings, 4, CPU, 5, LAYERS), EpochNoise(settings[1:2], 4, CPU, 5, LAYERS)
    for step in STEPS:
        z_ABZ, factors, g_factors = together.step(step, 3 if step < 3 else 2)
        own_z_ABZ, own_factors, own_g_factors = alone.step(step, 1)
        assert factors is not None and own_factors is not None
        assert torch.equal(z_ABZ[1], own_z_ABZ[0]) and torch.equal(factors[:, 1], own_factors[:, 0])
        for layer, own_layer in zip(g_factors, own_g_factors, strict=True):
            assert torch.equal(layer[1], own_layer[0])


def test_no_step_run_layer_or_pass_repeats_another() -> None:
    noise = EpochNoise([(CONFIG, 1, 0), (CONFIG, 2, 0), (CONFIG, 1, 1)], 4, CPU, 5, LAYERS)
    drawn = [noise.step(step, 3) for step in STEPS]
    z = torch.stack([z_ABZ for z_ABZ, _, _ in drawn]).flatten(0, 1)
    masks = torch.stack([factors for _, factors, _ in drawn if factors is not None])  # (S, 2, A, 3B, U)
    g_masks = torch.cat([layer.flatten(2).flatten(0, 1) for _, _, layers in drawn for layer in layers])
    assert len(g_masks.unique(dim=0)) == len(g_masks) == 2 * 3 * 4 * len(STEPS)
    passes = masks.unflatten(3, (3, 4)).transpose(3, 4).transpose(2, 4).reshape(-1, 4 * 512)
    assert len(z.flatten(1).unique(dim=0)) == len(z) == 3 * len(STEPS)
    assert len(passes.unique(dim=0)) == len(passes) > 6 * len(STEPS)


def test_dropout_keeps_its_share_of_units_and_scales_them() -> None:
    noise = EpochNoise([(CONFIG, 1, 0), (replace(CONFIG, dropout=0.0), 2, 0)], 32, CPU, 5, LAYERS)
    _, factors, (first, second) = noise.step(0, 2)
    assert first.shape == (2, 32, 512) and second.shape == (2, 32, 8, 64)
    assert sorted(set(first.flatten().tolist())) == [0, pytest.approx(1 / 0.9)]
    assert float((second > 0).float().mean()) == pytest.approx(0.7, abs=0.01)
    assert factors is not None and factors.shape == (2, 2, 96, 512)
    assert sorted(set(factors[:, 0].flatten().tolist())) == [0, pytest.approx(1 / 0.6)]
    assert float((factors[:, 0] > 0).float().mean()) == pytest.approx(0.6, abs=0.01)
    assert bool((factors[:, 1] == 1).all()), "a run without dropout, beside one with it"


def test_without_dropout_there_are_no_factors() -> None:
    noise = EpochNoise([(replace(CONFIG, dropout=0.0), 1, 0)], 4, CPU, 5, [Dropout(0.0, 3)])
    assert noise.step(0, 1)[1:] == (None, [])


def test_a_generators_dropout_changes_nothing_that_a_run_draws_without_it() -> None:
    bare, with_layers = EpochNoise([(CONFIG, 1, 0)], 4, CPU, 5), EpochNoise([(CONFIG, 1, 0)], 4, CPU, 5, LAYERS)
    for step in STEPS:
        z_1BZ, factors, g_factors = bare.step(step, 1)
        other_z_1BZ, other_factors, _ = with_layers.step(step, 1)
        assert factors is not None and other_factors is not None and g_factors == []
        assert torch.equal(z_1BZ, other_z_1BZ) and torch.equal(factors, other_factors)
