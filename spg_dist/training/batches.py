"""Which rows a step sees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def shuffled_batches(rows_N: np.ndarray, batch_size: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows once in random order, in full batches; the rest is left for another epoch, unless it is all there is."""
    order = random.permutation(rows_N)
    if len(order) < batch_size:
        yield order
        return
    for start in range(0, len(order) - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


def steps_of(rows: int, batch_size: int) -> int:
    """How many batches `shuffled_batches` gives."""
    return max(1, rows // batch_size)


def random_batch(rows_N: np.ndarray, batch_size: int, random: np.random.Generator) -> np.ndarray:
    """Another batch, drawn without replacement and without regard to the epoch's order."""
    return random.choice(rows_N, min(batch_size, len(rows_N)), replace=False, shuffle=False)
