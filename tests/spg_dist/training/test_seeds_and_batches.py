"""What is drawn depends on the seed and the purpose, never on what was drawn before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spg_dist.training.batches import random_batch, shuffled_batches
from spg_dist.training.seeds import derive, numpy_random, torch_random


def test_seeds_are_the_same_in_every_release() -> None:
    """Results of a seed must not change with a version of this code: these numbers were written down once."""
    assert derive(1, "spg", "sketch", "epoch", 3) == 3079867490864555500
    assert 0 <= derive(2**31, "x") < 2**63


def test_each_purpose_has_numbers_of_its_own() -> None:
    purposes: list[tuple[str | int, ...]] = [("a", 1), ("a", 2), ("b", 1), ("a",), ("a", 1, "x")]
    seeds = [derive(seed, *purpose) for seed in (1, 2, 11) for purpose in purposes]
    assert len(set(seeds)) == len(seeds)


def test_drawing_before_changes_nothing() -> None:
    torch_random(1, "other").initial_seed()
    torch.rand(10)
    np.random.default_rng(0).random(10)
    one, two = (torch.rand(3, generator=torch_random(1, "noise")) for _ in range(2))
    assert torch.equal(one, two)
    first, second = (numpy_random(1, "rows").random(3) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize(("rows", "size", "sizes"), [(10, 3, [3, 3, 3]), (9, 3, [3, 3, 3]), (2, 3, [2]), (3, 3, [3])])
def test_an_epoch_sees_each_row_at_most_once_in_full_batches(rows: int, size: int, sizes: list[int]) -> None:
    own = np.arange(rows) * 7
    batches = list(shuffled_batches(own, size, numpy_random(1, "order")))
    assert [len(batch) for batch in batches] == sizes
    seen = np.concatenate(batches)
    assert len(set(seen)) == len(seen) and set(seen) <= set(own)
    assert (own == np.arange(rows) * 7).all(), "the caller's rows keep their order"


def test_every_row_has_its_turn_over_the_epochs() -> None:
    seen = {row for epoch in range(8) for b in shuffled_batches(np.arange(10), 3, numpy_random(1, epoch)) for row in b}
    assert seen == set(range(10))


def test_another_batch_is_drawn_without_repetition_from_all_rows() -> None:
    rows, random = np.array([5, 6, 7, 8]), numpy_random(1, "fake")
    drawn = [random_batch(rows, 3, random) for _ in range(50)]
    assert all(len(set(batch)) == 3 and set(batch) <= set(rows) for batch in drawn)
    assert {row for batch in drawn for row in batch} == set(rows)
    assert sorted(random_batch(rows, 9, random)) == [5, 6, 7, 8]
