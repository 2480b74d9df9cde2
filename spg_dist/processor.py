"""The processor that this process computes on, for records of what a figure or a second was measured with."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


@cache
def processor() -> str:
    """Model and widest instruction set in use, "Intel(R) Xeon(R) Processor @ 2.80GHz, AVX512".

    The instruction set is the one PyTorch picks its kernels by: the last bits of a sum may depend on it.
    """
    return f"{_model()}, {torch.backends.cpu.get_cpu_capability()}"


def _model() -> str:
    """`platform` alone says "x86_64" on Linux."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
