"""What each phase of a run has cost over all jobs that worked on it: a line for each, appended to one file.

A rerun adds to what the first run took and replaces none of it. While a phase lasts, its line is written again from
time to time, and the last of its lines counts: a job that was killed has said by then what it took.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spg_dist import __version__

EARLIER = "earlier jobs were not recorded"
EARLIER_IN_WORDS = "Earlier jobs, of a version that kept no record of its time, are not counted."


@dataclass(frozen=True)
class Machine:
    """What a job computes on.

    Arguments:
        processors: of its nodes, without repetition.
        accelerators: their names; empty for work on processors.
        workers: processes that work at the same time.
        threads: of each.
        version: of this program.
    """

    processors: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    workers: int = 1
    threads: int = 1
    version: str = __version__

    def in_words(self) -> str:
        """E.g. "2 workers of 1 thread on Intel(R) Xeon(R) Processor @ 2.80GHz, AVX512"."""
        workers = f"{self.workers} worker{'' if self.workers == 1 else 's'}"
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        where = " and ".join([*self.accelerators, *self.processors]) or "an unknown processor"
        return f"{workers} of {threads} on {where}"


@dataclass(frozen=True)
class Sitting:
    """One phase of one job.

    Arguments:
        job: when the job began, which tells it from the others of the folder.
        place: of the phase among the job's.
        work: kind to number; empty where nothing is counted.
        ended: false where an error or a kill broke it off, and while it lasts.
    """

    job: str
    place: int
    phase: str
    seconds: float
    work: dict[str, int]
    ended: bool
    machine: Machine

    @property
    def idle(self) -> bool:
        """It counts its work, ended well, and there was none: all was done before."""
        return self.ended and bool(self.work) and not any(self.work.values())


@dataclass(frozen=True)
class PhaseCost:
    """What a phase has taken in all.

    Arguments:
        seconds: of wall time, in all jobs.
        jobs: in which it had something to do.
        work: kind to number, in all jobs.
        machines: that it had something to do on, in words.
    """

    phase: str
    seconds: float
    jobs: int = 1
    work: dict[str, int] = field(default_factory=dict)
    machines: tuple[str, ...] = ()

    def in_words(self) -> str:
        """What was done, in how many jobs: "840 epochs trained, in 2 jobs"."""
        done = [f"{number:,} {kind}" for kind, number in self.work.items()]
        jobs = f"in {self.jobs} job{'' if self.jobs == 1 else 's'}" if self.jobs else "nothing to do so far"
        return ", ".join([*done, jobs])


@dataclass(frozen=True)
class Costs:
    """All phases in the order in which they first appear, and what must be known of them, a sentence each."""

    phases: tuple[PhaseCost, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    def of(self, phase: str) -> PhaseCost | None:
        return next((cost for cost in self.phases if cost.phase == phase), None)


class CostRecord:
    """The file of one run. One job at a time writes it, from any of its threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._follows_others = not path.exists() and _has_been_worked_in(path.parent)
        self._held: dict[tuple[str, int], Sitting] = {}  # phases before the job's first that had something to do
        self._works = False

    def add(self, sitting: Sitting) -> None:
        """Append a line that is on disk when this returns. Raises OSError.

        A job that is refused before it did anything writes nothing: the folder stays as it was.
        """
        with self._lock:
            fresh = not self.path.exists()
            self._held[sitting.job, sitting.place] = sitting
            self._works = self._works or any(sitting.work.values())
            if not self._works:
                return
            lines = [asdict(one) for one in self._held.values()]
            self._held.clear()
            if fresh and self._follows_others:
                lines.insert(0, {"note": EARLIER})
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            with self.path.open("ab+") as stream:
                if not fresh and not _ends_with_a_whole_line(stream.fileno()):
                    text = "\n" + text  # a job was killed while it wrote: its line stays alone in being lost
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())

    def read(self) -> tuple[list[Sitting], list[str]]:
        """What is written, and remarks on what is not."""
        if not self.path.exists():
            return [], [EARLIER_IN_WORDS] * self._follows_others
        latest: dict[tuple[str, int], Sitting] = {}
        remarks, lost = [], 0
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                found = json.loads(line)
                if found == {"note": EARLIER}:
                    remarks.append(EARLIER_IN_WORDS)
                    continue
                sitting = _sitting(found)
            except (ValueError, TypeError, KeyError):
                lost += bool(line.strip())
                continue
            latest[sitting.job, sitting.place] = sitting
        if lost:
            remarks.append(f"{lost} line{'' if lost == 1 else 's'} of {self.path.name} cannot be read: not counted.")
        return list(latest.values()), remarks


def costs_of(sittings: Iterable[Sitting], remarks: Iterable[str] = ()) -> Costs:
    """Add up what each phase took."""
    by_phase: dict[str, list[Sitting]] = {}
    for sitting in sittings:
        by_phase.setdefault(sitting.phase, []).append(sitting)
    return Costs(tuple(_total(phase, found) for phase, found in by_phase.items()), tuple(remarks))


def _total(phase: str, sittings: list[Sitting]) -> PhaseCost:
    worked = [sitting for sitting in sittings if not sitting.idle]
    kinds = dict.fromkeys(kind for sitting in sittings for kind in sitting.work)
    return PhaseCost(
        phase=phase,
        seconds=sum(sitting.seconds for sitting in sittings),
        jobs=len({sitting.job for sitting in worked}),
        work={kind: sum(max(0, sitting.work.get(kind, 0)) for sitting in sittings) for kind in kinds},
        machines=tuple(dict.fromkeys(sitting.machine.in_words() for sitting in worked)),
    )


def _sitting(line: dict[str, Any]) -> Sitting:
    """Raises ValueError, TypeError or KeyError for what was not written by `add`."""
    machine = line["machine"]
    return Sitting(
        job=str(line["job"]),
        place=int(line["place"]),
        phase=str(line["phase"]),
        seconds=float(line["seconds"]),
        work={str(kind): int(number) for kind, number in dict(line["work"]).items()},
        ended=bool(line["ended"]),
        machine=Machine(
            processors=tuple(map(str, machine["processors"])),
            accelerators=tuple(map(str, machine["accelerators"])),
            workers=int(machine["workers"]),
            threads=int(machine["threads"]),
            version=str(machine["version"]),
        ),
    )


def _has_been_worked_in(folder: Path) -> bool:
    return (folder / "results.csv").exists() or any(folder.rglob("*.safetensors"))


def _ends_with_a_whole_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"
