"""The table of trials in the log, while the sweep runs and at its end."""

from __future__ import annotations

import time

from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table
from rich.text import Text

from spg_dist.progress import Display
from tuning.folder import SweepFolder
from tuning.outputs import STATES, val_accuracy_of, write_trials
from tuning.spaces import short_names
from tuning.study import SweepStudy

TABLE_SECONDS = 20.0
"""In a log at most one table in so many seconds; every trial that ends has a line of its own."""

ROWS, COLUMNS = 10, 6
"""So many trials, and hyperparameters of each, have room in a log; all are in trials.csv."""


class TrialTable:
    """Says what trials do: `changed` is told the number of a trial that started, reported or ended."""

    def __init__(self, study: SweepStudy, folder: SweepFolder, display: Display) -> None:
        self.study, self.folder, self.display = study, folder, display
        self.shown = self.began = time.monotonic()
        self.before = self.study.finished

    def changed(self, number: int) -> None:
        """Print what is new."""
        trial = self.study.trials()[number]
        if trial.state.is_finished():
            self.display.say(self._line(trial))
            write_trials(self.folder.trials, self.study)
        if time.monotonic() - self.shown > TABLE_SECONDS:
            self.show()

    def show(self) -> None:
        """The running trials and the best ones."""
        self.shown = time.monotonic()
        trials = self.study.trials()
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        ranked = sorted(
            (trial for trial in trials if trial.state == TrialState.COMPLETE),
            key=lambda trial: (-trial.values[0], trial.number),
        )
        shown = running + ranked[:ROWS]
        dimensions = [dimension.name for dimension in self.study.space.dimensions]
        varying = [name for name in dimensions if len({t.params.get(name) for t in trials if t.params}) > 1]
        more = f" ({len(varying) - COLUMNS} more columns: {self.folder.trials.name})" * (len(varying) > COLUMNS)
        table = Table(box=box.ASCII2, title=Text(self._headline() + more), title_justify="left")
        names = short_names(self.study.space.dimensions)
        for column in ("trial", "state", "val %", *(names[name] for name in varying[:COLUMNS])):
            table.add_column(Text(column), overflow="fold")
        for trial in shown:
            value = val_accuracy_of(trial)
            params = [_number(trial.params.get(name)) for name in varying[:COLUMNS]]
            name = f"{trial.number}{' (defaults)' if trial.number == 0 else ''}"
            table.add_row(*map(Text, (name, STATES[trial.state], "" if value is None else f"{value:.2f}", *params)))
        self.display.show(table)

    def _headline(self) -> str:
        done = self.study.finished
        minutes = (time.monotonic() - self.began) / 60
        rate = f", {(done - self.before) / minutes:.1f} trials/min" if done > self.before else ""
        return f"{done} of {self.study.total} trials{rate}, 0 images encoded; running, then the best"

    def _line(self, trial: FrozenTrial) -> str:
        value, best = val_accuracy_of(trial), self.study.best()
        said = f"trial {trial.number} {STATES[trial.state]}"
        if trial.state == TrialState.FAIL:
            return f"{said}: {trial.user_attrs.get('reason', 'no reason known')}"
        said += "" if value is None else f": val accuracy {value:.2f} %"
        if "cost_seconds" in trial.user_attrs:  # not the time since it was asked for: a sweep may have lain dead
            said += f" in {trial.user_attrs['cost_seconds']:.1f} s of training"
        return said + (f"; best {best.values[0]:.2f} % (trial {best.number})" if best else "")


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
