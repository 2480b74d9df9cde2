"""Many runs as one program against the same runs one at a time: throughput, and the largest difference of the results.

    python -m benchmarks.many_runs                                  # about five minutes on 2 cores
    python -m benchmarks.many_runs --device cuda --steps 160 --runs 1 4 12 48

| line | claim |
|---|---|
| stage 2, 12 runs on an accelerator | at least 8 times the steps per second |
| all others | reported |

A ratio is (seconds of an epoch of one run alone, times the runs) / (seconds of an epoch of all runs together); both
sides take turns in one process. Stage 2 at the paper's size as in benchmarks/stage2.py, stage 1 with the text tower of
ViT-B/32 and PACS's classes, random features. Validation is left out. Behind it stands the largest difference of any
weight between the first, the middle and the last run of the group and the same runs trained alone, after all epochs.
On a CPU it is zero for stage 1, whose blocks are of sizes that the machine was seen to keep bits at. Stage 2 is slower
as one program there, since a run's weights and moments leave the cache between its steps: training makes each run a
group by itself on a CPU (`GeneratorRun.program`), so that no bits hang on what is measured here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.claims import Claim, print_table
from benchmarks.stage2 import BATCH, N_CTX, WIDTH, Material, material
from benchmarks.timing import medians
from spg_dist.gan.config import GanConfig
from spg_dist.gan.training import GeneratorTraining
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.training import SoftPromptRun, SoftPromptTraining
from spg_dist.training.loop import RunGroup

ON_ACCELERATOR = 8.0  # demanded of 12 runs of stage 2


def soft_prompt_run(given: Material, steps: int, seed: int) -> SoftPromptRun:
    """A run with so many steps an epoch."""
    rows = np.arange(steps * BATCH)
    first = 0.02 * torch.randn(N_CTX, WIDTH, generator=torch.Generator().manual_seed(seed))
    return SoftPromptRun(SoftPromptConfig(), given.table, rows, rows[:32], given.encoder, first, 100.0, seed)


def compare(
    what: str, program: Callable[[list[Any]], RunGroup], runs: list[Any], rounds: int, said: str, target: float | None
) -> Claim:
    """One row: these runs together against one alone, epoch by epoch."""
    R, steps = len(runs), runs[0].steps
    shown = sorted({0, R // 2, R - 1})
    together, alone = program(runs), [program([runs[number]]) for number in shown]
    epochs = dict.fromkeys(range(R), 0)

    def one_at_a_time() -> None:
        for group in alone:
            group.train_epoch({0: 0})

    all_seconds, some_seconds = medians(lambda: together.train_epoch(epochs), one_at_a_time, rounds=rounds)
    one_seconds = some_seconds / len(shown)
    pairs = [
        (together.weights(number)[name], tensor)
        for number, group in zip(shown, alone, strict=True)
        for name, tensor in group.weights(0).items()
    ]
    difference = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    return Claim(
        claim=f"{what}: {R} runs as one program, steps of all runs per second",
        demand="those of one run at a time" + (f", at least {target:g} times" if target else ": reported"),
        measured=f"{R * steps / all_seconds:.1f} against {steps / one_seconds:.1f} steps/s, {said}; "
        f"largest difference {difference:.1e}",
        ratio=R * one_seconds / all_seconds,
        target=target,
    )


def measure(
    runs: Sequence[int] = (1, 4, 12, 48), steps: int = 8, rounds: int = 3, threads: int = 1, device: str = "cpu"
) -> list[Claim]:
    """The claims. `steps`: of an epoch; a round is one epoch."""
    torch.set_num_threads(threads)
    given, config = material(device), GanConfig()
    said = f"{device}, {threads} threads"
    rows = []
    for R in runs:
        generators = [given.run(config, steps, seed) for seed in range(R)]
        target = ON_ACCELERATOR if R == 12 and device != "cpu" else None
        rows.append(compare("stage 2", GeneratorTraining, generators, rounds, said, target))
        prompts = [soft_prompt_run(given, steps, seed) for seed in range(R)]
        rows.append(compare("stage 1", SoftPromptTraining, prompts, rounds, said, None))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="*", default=[1, 4, 12, 48])
    parser.add_argument("--steps", type=int, default=8, help="of an epoch, which is a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    print_table(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
