"""How many runs may share the calls of a step, though the bits of each are to stay its own: the machine is asked.

A kernel may sum a row in another order when more rows are given, or when the row stands at the edge of a block of its
own. Which kernels do so, and for how many rows, differs from processor to processor and from library to library. So
nothing is taken for granted by a kernel's name: a program is run on copies of one run, at the sizes in use, and only
the sizes at which every copy has the bits of the run alone are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Program = Callable[[int], Sequence[Tensor]]
"""Given a number of copies of one run, returns what comes out of them: tensors (copies, ...)."""


def sizes_that_keep_bits(program: Program, most: int) -> tuple[int, ...]:
    """The powers of two up to `most` at which each copy comes out as the run alone does, largest first; always 1 too.

    Powers of two only: every number of runs is made of few of them, and few need to be tried.
    """
    alone = [tensor[0] for tensor in program(1)]
    powers = [2**power for power in reversed(range(1, most.bit_length()))]
    return (*(size for size in powers if _all_equal(alone, program(size))), 1)


def blocks_of(count: int, sizes: Sequence[int]) -> list[slice]:
    """`count` runs in blocks of the given sizes (largest first, 1 among them), as few as there can be."""
    blocks, start = [], 0
    for size in sizes:
        while count - start >= size:
            blocks.append(slice(start, start + size))
            start += size
    return blocks


def _all_equal(alone: Sequence[Tensor], together: Sequence[Tensor]) -> bool:
    """Whether every copy has exactly the values of the run alone."""
    return all(torch.equal(copy, expected) for expected, copies in zip(alone, together, strict=True) for copy in copies)
