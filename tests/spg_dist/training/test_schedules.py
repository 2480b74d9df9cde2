"""Learning rates are the published implementation's, to the last bit that matters."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from spg_dist.training.schedule import ScheduleConfig, learning_rates

SETTINGS: list[tuple[str, int, ScheduleConfig]] = [
    ("stage2_linear4_70", 70, ScheduleConfig(4, "linear")),
    ("stage1_constant1_50_yaml", 50, ScheduleConfig(1, "constant")),
    ("stage1_constant4_50_as_run_by_cli", 50, ScheduleConfig(4, "constant")),
]


@pytest.mark.parametrize(("name", "epochs", "schedule"), SETTINGS, ids=[name for name, _, _ in SETTINGS])
def test_rates_equal_the_recorded_ones(shared_dir: Path, name: str, epochs: int, schedule: ScheduleConfig) -> None:
    with np.load(shared_dir / "goldens" / "g3_lr.npz", allow_pickle=False) as stored:
        recorded = stored[name]
    np.testing.assert_allclose(learning_rates(2e-3, epochs, schedule), recorded, rtol=2e-15, atol=0)


def slow_oracle(rate: float, epochs: int, w: int, kind: Literal["constant", "linear"], first: float) -> list[float]:
    """Warm-up around PyTorch's own cosine scheduler, stepped once an epoch."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    rates = []
    for epoch in range(epochs):
        if epoch >= w:
            rates.append(float(cosine.get_last_lr()[0]))
            optimizer.step()
            cosine.step()
        elif kind == "constant" or epoch == 0:
            rates.append(first)
        else:
            rates.append(rate * epoch / w)
    return rates


@pytest.mark.parametrize("kind", ["constant", "linear"])
@pytest.mark.parametrize(("epochs", "w"), [(70, 4), (50, 1), (20, 0), (3, 3), (2, 5), (1, 0), (1, 1)])
def test_rates_equal_a_slow_oracle(epochs: int, w: int, kind: Literal["constant", "linear"]) -> None:
    rates = learning_rates(0.1, epochs, ScheduleConfig(w, kind, 1e-3))
    np.testing.assert_allclose(rates, slow_oracle(0.1, epochs, w, kind, 1e-3), rtol=1e-11)
    assert len(rates) == epochs


def test_the_cosine_ends_above_zero() -> None:
    """Its period is all epochs, warm-up or not: the published schedule never comes to its end."""
    last = learning_rates(2e-3, 70, ScheduleConfig(4, "linear"))[-1]
    assert last == pytest.approx(1e-3 * (1 + math.cos(math.pi * 65 / 70)))
    assert last == pytest.approx(2.507e-5, rel=1e-3)


def test_an_impossible_warm_up_is_refused() -> None:
    for config in ({"warmup_epochs": -1}, {"warmup_rate": -1e-5}):
        with pytest.raises(ValueError, match=r"warm-up of .* expected both to be zero or more"):
            ScheduleConfig(**config)
