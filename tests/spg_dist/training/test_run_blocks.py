"""Runs share a step only in numbers at which this machine gives each the bits that it has alone."""

from __future__ import annotations

import pytest
import torch
from stand_in_processor import installed
from torch import Tensor

from spg_dist.training.run_blocks import blocks_of, sizes_that_keep_bits


def machine(*wrong: int) -> list[int]:
    """Sizes found on a machine that moves one bit of the last of so many copies."""
    tried = []

    def program(copies: int) -> list[Tensor]:
        tried.append(copies)
        out = torch.full((copies, 3), 0.1)
        if copies in wrong:
            out[-1, 2] = torch.nextafter(out[-1, 2], torch.tensor(1.0))
        return [torch.zeros(copies), out]

    found = sizes_that_keep_bits(program, 11)
    assert sorted(tried) == [1, 2, 4, 8]
    return list(found)


def test_sizes_at_which_one_bit_differs_are_not_used() -> None:
    assert machine() == [8, 4, 2, 1]
    assert machine(4) == [8, 2, 1]
    assert machine(2, 4, 8) == [1]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 16, 37])
@pytest.mark.parametrize("sizes", [(16, 8, 4, 2, 1), (8, 2, 1), (1,), tuple(range(5, 0, -1))])
def test_blocks_cover_every_run_once_in_order(count: int, sizes: tuple[int, ...]) -> None:
    blocks = blocks_of(count, sizes)
    assert [run for block in blocks for run in range(count)[block]] == list(range(count))
    lengths = [block.stop - block.start for block in blocks]
    assert set(lengths) <= set(sizes) and lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_stand_in_processor_is_one_on_which_products_do_not_keep_bits(dtype: torch.dtype) -> None:
    left = torch.randn(1, 5, 7, generator=torch.Generator().manual_seed(1), dtype=dtype)
    right = torch.randn(1, 7, 3, generator=torch.Generator().manual_seed(2), dtype=dtype)

    def batched(copies: int) -> list[Tensor]:
        return [torch.bmm(left.repeat(copies, 1, 1), right.repeat(copies, 1, 1))]

    def rows(copies: int) -> list[Tensor]:
        return [torch.nn.functional.linear(left[0].repeat(copies, 1), right[0].T).unflatten(0, (copies, -1))]

    with installed():
        assert sizes_that_keep_bits(batched, 8) == sizes_that_keep_bits(rows, 8) == (1,)
        assert torch.equal(batched(3)[0], batched(3)[0])
    exact = left[0].double() @ right[0].double()
    torch.testing.assert_close(rows(1)[0][0].double(), exact, rtol=1e-5, atol=1e-6)
