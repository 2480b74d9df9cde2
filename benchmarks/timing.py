"""Seconds of actions that take turns, so that the noise of a machine meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def medians(*actions: Callable[[], object], rounds: int, warm_up: bool = True) -> list[float]:
    """Median seconds of each action over rounds in which each runs once, in changing order.

    Arguments:
        warm_up: run each once before, not counted.
    """
    if warm_up:
        for action in actions:
            action()
    seconds = np.empty((rounds, len(actions)))
    for turn in range(rounds):
        for column in np.random.default_rng(turn).permutation(len(actions)):
            start = time.perf_counter()
            actions[column]()
            seconds[turn, column] = time.perf_counter() - start
    return [float(median) for median in np.median(seconds, axis=0)]
