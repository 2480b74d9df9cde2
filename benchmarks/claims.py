"""What a benchmark says: a row per claim, and the table of them with the machine named.

Every program of this folder has a function that `python -m benchmarks` calls without arguments, in a process of its
own:

    def measure(rounds: int = 3, threads: int = 2) -> list[Claim]:
        ours, plain = ...  # medians over rounds in turn, in this one process
        return [
            Claim(
                claim="encode: images per second",
                demand="at least 0.95 of a plain loop that does not decode",
                measured=f"{1 / ours:.1f} against {1 / plain:.1f} images/s, {threads} threads",
                ratio=plain / ours,
                target=0.95,
            )
        ]

and a `main` that reads options of its own and ends in `print_table(measure(...))`. A ratio is always ours over theirs,
more is better; both sides are measured in one run. A time alone is never a target.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil


@dataclass(frozen=True)
class Claim:
    """One row of the table.

    Arguments:
        claim: what was measured, its subject first: "encode: images per second".
        demand: what is asked of it, in words, or what it is reported for.
        measured: both sides, with units and the number of threads.
        ratio: ours over theirs; None where the figure is no ratio.
        target: the least ratio that fulfils the demand; None = only reported.
    """

    claim: str
    demand: str
    measured: str
    ratio: float | None = None
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the demand is fulfilled; None where there is none."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio >= self.target


def machine() -> str:
    """This machine in one line: CPU, cores, threads, memory, torch, accelerator, and how busy it is."""
    import torch  # seconds: for who prints a table, not for each process that measures a part of it

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = psutil.virtual_memory().total / 2**30
    parts = [
        _cpu_model(),
        f"{cores} cores",
        f"{torch.get_num_threads()} torch threads unless a row says otherwise",
        f"{memory_gib:.0f} GiB memory",
        f"torch {torch.__version__}",
        torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator",
        f"load {psutil.getloadavg()[0]:.1f} with this program's own",
    ]
    return ", ".join(parts)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def print_table(claims: Iterable[Claim], file: TextIO | None = None) -> None:
    """The machine, then for each claim its ratio, target and verdict, and below them what was measured and demanded."""
    claims = list(claims)
    words = {None: "reported", True: "met", False: "NOT MET"}
    width = max([len(claim.claim) for claim in claims], default=0)
    lines = [machine(), "", f"{'claim':<{width}}  {'ratio':>8}  {'target':>8}"]
    for claim in claims:
        ratio = "" if claim.ratio is None else f"{claim.ratio:.3g}"
        target = "" if claim.target is None else f">= {claim.target:g}"
        lines.append(f"{claim.claim:<{width}}  {ratio:>8}  {target:>8}  {words[claim.met]}")
        lines.append(f"    {claim.measured}")
        lines.append(f"    {claim.demand}")
    print("\n".join(lines), file=file or sys.stdout, flush=True)
