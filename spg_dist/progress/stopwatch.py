"""How long each phase of a job took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from spg_dist.progress.display import Display
from spg_dist.progress.duration import duration_text


class Stopwatch:
    """Announces phases and keeps their wall time in seconds, by the title's first part."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        self.display.phase(title)
        began = time.monotonic()
        yield
        name = title.split(":")[0]
        self.seconds[name] = time.monotonic() - began
        self.display.say(f"{name} took {duration_text(self.seconds[name])}")
