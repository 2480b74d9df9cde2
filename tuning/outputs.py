"""What a sweep leaves as tables: `trials.csv`, one row a trial, and `best.yaml`."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from cache.durable import write_text
from spg_dist.config import Config, dump_config
from tuning.study import SweepStudy

STATES = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def write_trials(path: Path, study: SweepStudy) -> None:
    """A row for every trial: its state, val accuracy (percent; of a stopped one where it stopped), its mean for each
    target, cost in seconds of training, wall seconds, hyperparameters, and for a failed one the reason."""
    names = [dimension.name for dimension in study.space.dimensions]
    targets = sorted({target for trial in study.trials() for target in trial.user_attrs.get("by_target", {})})
    head = ["trial", "state", "val_accuracy", "seed_std", *(f"val_accuracy {target}" for target in targets)]
    head += ["cost_seconds", "wall_seconds", *names, "reason"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, head, lineterminator="\n", restval="")
    writer.writeheader()
    for trial in study.trials():
        seconds = trial.duration.total_seconds() if trial.duration else None
        noted = {name: trial.user_attrs.get(name) for name in ("seed_std", "cost_seconds", "reason")}
        by_target = {f"val_accuracy {name}": value for name, value in trial.user_attrs.get("by_target", {}).items()}
        row = {"trial": trial.number, "state": STATES[trial.state], "val_accuracy": val_accuracy_of(trial)}
        writer.writerow(row | {"wall_seconds": seconds} | noted | by_target | trial.params)
    write_text(path, text.getvalue())


def write_best(path: Path, config: Config) -> None:
    """The best configuration, as `full_pipeline.py --config` takes it: it trains without another sweep."""
    write_text(path, dump_config(without_sweep(config)))


def without_sweep(config: Config) -> Config:
    """The configuration as it is, and no sweep before it."""
    return replace(config, tune=replace(config.tune, trials=0))


def val_accuracy_of(trial: FrozenTrial) -> float | None:
    """Percent; of a running or stopped trial the last that it reported."""
    if trial.values:
        return float(trial.values[0])
    return None if trial.last_step is None else trial.intermediate_values[trial.last_step]
