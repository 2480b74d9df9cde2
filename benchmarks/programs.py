"""Which programs there are, and what one of them measures; importable by the process that runs it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from benchmarks.claims import Claim


def programs() -> list[str]:
    """Names of this folder's programs: files with a function `measure`."""
    files = [
        path
        for path in Path(__file__).parent.glob("*.py")
        if re.search(r"^def measure\(", path.read_text(), re.MULTILINE)
    ]
    return sorted(path.stem for path in files)


def measured(program: str) -> list[Claim]:
    """The claims of one program, measured in this process."""
    claims: list[Claim] = importlib.import_module(f"benchmarks.{program}").measure()
    return claims
