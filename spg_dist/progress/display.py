"""One live progress display in a terminal; the same as plain lines in a job's log."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from spg_dist.progress.duration import duration_text

LINE_SECONDS = 5.0  # in a log, at most one line in so many seconds for a bar that moves,
LINE_SHARE = 0.02  # and in a long phase one in this share of the time it has taken;
QUIET_SECONDS = 20.0  # a bar that stands still is spoken of after so many
ETA_SHARE = 0.05
LOG_WIDTH = 120
FEATURES, EPOCHS, TESTS = "features encoded", "epochs trained", "tests made"  # kinds of work


class Display:
    """Shows phases with a bar each: files read, features encoded, epochs trained.

    In a terminal the bars are live; elsewhere a line is printed when a phase starts, every few seconds, and when it
    ends, and while nothing happens every half minute or so: the first shard of a large model takes its time.

    `work` is what the phase under way has done, by kind: empty where nothing is counted, zero where there was nothing
    to do.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(soft_wrap=True, highlight=False, emoji=False)
        if console is None and not self.console.is_terminal:
            self.console.width = LOG_WIDTH
        self.live = self.console.is_terminal
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),  # names of domains are no markup
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
        )
        self._bars = Progress(*columns, console=self.console, disable=not self.live)
        self._task = self._bars.add_task("", total=0, detail="", visible=False)
        self._reset("", 0)
        self.work: dict[str, int] = {}
        self._ended = threading.Event()

    def __enter__(self) -> Display:
        self._bars.start()
        if not self.live:
            self._ended.clear()
            threading.Thread(target=self._say_that_it_works, name="heartbeat", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._bars.stop()

    def say(self, text: str) -> None:
        """One line of plain text."""
        self.console.print(text, markup=False)

    def show(self, renderable: RenderableType) -> None:
        """A table."""
        self.console.print(renderable)

    def phase(self, title: str) -> None:
        """A heading: what the job does now."""
        self.work = {}
        self._bars.update(self._task, visible=False)
        heading = Text(f"\n{title}", style="bold") if self.live else Text(f"\n== {title}")
        self.console.print(heading)

    def reading_files(self, files: int) -> None:
        self._reset("digesting files", files)

    def file_read(self, done: int, total: int) -> None:
        self._advance(done - self._done, "")

    def encoding(self, view: str, missing: int, reused: int, shards: int) -> None:
        self.encoded, self.reused, self.aside = 0, reused, 0
        tasks = f" in {shards} shard{'' if shards == 1 else 's'}" if missing else ""
        self.say(f"view {view}: {reused} features reused, {missing} to encode{tasks}")
        self._reset(f"encoding ({view})", missing)
        self._count(FEATURES, 0)

    def shard_encoded(self, encoded: int, reused: int, set_aside: int) -> None:
        self.encoded += encoded
        self.reused += reused
        self.aside += set_aside
        rate = self.encoded / max(time.monotonic() - self._started, 1e-9)
        detail = f"{rate:.1f} images/s, {self.reused} reused, {self.aside} set aside"
        self._advance(encoded + reused + set_aside, detail)
        self._count(FEATURES, encoded)

    def training(self, runs: int, epochs: int) -> None:
        self._reset(f"training {runs} runs, epochs", epochs)
        self._count(EPOCHS, 0)

    def run_resumed(self, run: str, epochs: int, uncounted: int, changes: str = "") -> None:
        """A run resumes after so many epochs and reports them again; so many of these this job has not counted yet.

        Arguments:
            changes: what has changed since that may move the last bits of its result.
        """
        self.say(f"{run}: resumed at epoch {epochs + 1}")
        if changes:
            self.say(f"{run}: its last bits may differ from those of an undisturbed run ({changes})")
        self._before += uncounted
        self._count(EPOCHS, -uncounted)

    def epoch_done(self, run: str, epoch: int, metrics: dict[str, float]) -> None:
        shown = [f"{name} {value:.3g}" for name, value in metrics.items() if name.endswith("loss")]
        if "val_accuracy" in metrics:
            shown.append(f"val accuracy {metrics['val_accuracy']:.1f} %")
        self._advance(1, f"{run} epoch {epoch + 1}: {', '.join(shown)}")
        self._count(EPOCHS, 1)

    def testing(self, runs: int) -> None:
        self._reset("testing runs", runs)
        self._count(TESTS, 0)

    def run_tested(self, run: str, accuracy: float) -> None:
        self._advance(1, f"{run}: {accuracy:.1f} %")
        self._count(TESTS, 1)

    def _count(self, kind: str, done: int) -> None:
        self.work[kind] = self.work.get(kind, 0) + done

    def _reset(self, description: str, total: int) -> None:
        self._description, self._total, self._done = description, total, 0
        self._before = 0  # steps of former jobs, which took none of this one's time
        self._started = self._printed = time.monotonic()
        self._bars.reset(self._task, description=description, total=total, detail="", visible=total > 0)

    def _advance(self, steps: int, detail: str) -> None:
        self._done += steps
        self._bars.update(self._task, advance=steps, detail=detail)
        now = time.monotonic()
        finished = self._done >= self._total
        if self.live or (now - self._printed < self._pause(now, LINE_SECONDS) and not finished):
            return
        self._print(now, [], detail)

    def _say_that_it_works(self) -> None:
        while not self._ended.wait(QUIET_SECONDS / 4):
            now = time.monotonic()
            # twice the pause of a bar that moves, whose lines say more
            if self._done < self._total and now - self._printed >= 2 * self._pause(now, QUIET_SECONDS / 2):
                self._print(now, [f"working for {duration_text(now - self._started)}"])

    def _pause(self, now: float, at_least: float) -> float:
        return max(at_least, LINE_SHARE * (now - self._started))

    def _print(self, now: float, times: list[str], detail: str = "") -> None:
        """A line of the log, with the time that is left where it can be known."""
        self._printed = now
        own = self._done - self._before
        known = own >= max(2, ETA_SHARE * (self._total - self._before))  # the first steps wait for workers to start
        if known and self._done < self._total:
            times = [*times, f"{duration_text((now - self._started) / own * (self._total - self._done))} left"]
        said = ", ".join([f"{self._description} {self._done}/{self._total}", *times])
        self.say(f"{said}; {detail}" if detail else said)
