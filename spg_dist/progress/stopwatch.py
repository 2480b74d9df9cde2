"""How long each phase of a job took, and of the jobs before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from spg_dist.progress.costs import CostRecord, Costs, Machine, Sitting, costs_of
from spg_dist.progress.display import Display
from spg_dist.progress.duration import duration_text

NOTE_SECONDS = 5.0  # the first note of a phase under way, for the case that the job is killed,
NOTE_SHARE = 0.1  # and after it one in this share of the time it has taken: few lines, and little is lost


class Stopwatch:
    """Announces phases and keeps what they take, by the title's first part.

    Arguments:
        record: file that the job's phases are added to; without one only this job's are known.
        machine: what the phases' work is done on.
    """

    def __init__(self, display: Display, record: Path | None = None, machine: Machine | None = None) -> None:
        self.display, self.machine = display, machine or Machine()
        self.job = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._record = CostRecord(record) if record else None
        self._phases: list[_Phase] = []

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """One phase; what it took is kept however it ends."""
        self.display.phase(title)
        phase = _Phase(self, len(self._phases), title.split(":")[0])
        self._phases.append(phase)
        with phase:
            yield
        self.display.say(f"{phase.name} took {duration_text(phase.seconds)}")

    def costs(self) -> Costs:
        """Of this job, the phase under way too, and of all that were recorded before it."""
        earlier, remarks = self._record.read() if self._record else ([], [])
        own = [phase.sitting() for phase in self._phases]
        return costs_of([*(sitting for sitting in earlier if sitting.job != self.job), *own], remarks)


class _Phase:
    """A phase under way or ended."""

    def __init__(self, watch: Stopwatch, place: int, name: str) -> None:
        self.watch, self.place, self.name = watch, place, name
        self.ended = False
        self._work: dict[str, int] | None = None  # the display's, until the phase is over
        self._seconds: float | None = None
        self._began = time.monotonic()
        self._over = threading.Event()
        self._notes = threading.Thread(target=self._note_from_time_to_time, name="costs", daemon=True)

    def __enter__(self) -> None:
        if self.watch._record:
            self._notes.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._seconds, self._work, self.ended = self.seconds, dict(self.watch.display.work), kind is None
        self._over.set()
        if not self.watch._record:
            return
        self._notes.join()
        try:
            self.watch._record.add(self.sitting())
        except OSError as error:  # no reason to lose what the phase did
            self.watch.display.say(f"warning: what {self.name} took could not be recorded: {error}")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began if self._seconds is None else self._seconds

    def sitting(self) -> Sitting:
        watch = self.watch
        work = dict(watch.display.work) if self._work is None else self._work
        return Sitting(watch.job, self.place, self.name, self.seconds, work, self.ended, watch.machine)

    def _note_from_time_to_time(self) -> None:
        assert self.watch._record is not None
        while not self._over.wait(max(NOTE_SECONDS, NOTE_SHARE * self.seconds)):
            try:
                self.watch._record.add(self.sitting())
            except OSError:  # the next note may find room again; the last one says so if not
                continue
