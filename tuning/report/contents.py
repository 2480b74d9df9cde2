"""What a sweep's report is made of, as plain values read from the study and the final test."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from spg_dist.config import Config, dump_config
from spg_dist.data import Manifest
from spg_dist.evaluation.results import Spread, spread
from spg_dist.pipeline.testing import EvaluatedRun
from spg_dist.progress.duration import duration_text
from spg_dist.report.headline import RANDOM_WEIGHTS_WARNING
from tuning.final import Final
from tuning.outputs import STATES, val_accuracy_of, without_sweep
from tuning.spaces import Dimension, Label, with_values
from tuning.study import SweepStudy

IMPORTANCES_FROM = 8
"""Completed trials below which importances would be noise."""

TOP_SHARE = 0.25
"""What PED-ANOVA sets apart: a hyperparameter matters if the best quarter of the trials has other values of it."""


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Arguments:
        state: as `trials.csv` has it.
        val_accuracy: percent, of a stopped trial where it stopped; None where it never got so far.
        cost_seconds: of its training; None unless it was completed.
        reason: of a failure.
    """

    number: int
    state: str
    val_accuracy: float | None
    cost_seconds: float | None
    params: dict[str, Label]
    reason: str

    @property
    def completed(self) -> bool:
        return self.state == STATES[TrialState.COMPLETE]


@dataclass(frozen=True)
class Tested:
    """Accuracy on the targets (percent), by target and on average; the average is taken within each seed first."""

    by_target: dict[str, Spread]
    average: Spread


@dataclass(frozen=True)
class SweepReport:
    """All that the page shows.

    Arguments:
        importances: dimension → share of all importance, 0 to 1, largest first; empty with too few trials.
        front: numbers of the trials that no other beats in both accuracy and cost; empty with one objective.
        defaults_tested: None where the given configuration itself failed.
        warnings: what must be read before any figure.
        changed: field, its value in the defaults and in the best configuration, where they differ.
    """

    name: str
    dimensions: Sequence[Dimension]
    rows: Sequence[TrialRow]
    best: int
    importances: dict[str, float]
    front: set[int]
    defaults_tested: Tested | None
    best_tested: Tested
    changed: list[tuple[str, str, str]]
    facts: dict[str, str]
    warnings: list[str]
    config_yaml: str

    def row(self, number: int) -> TrialRow:
        return self.rows[number]


def report_of(
    study: SweepStudy,
    config: Config,
    manifest: Manifest,
    clip_name: str,
    random_weights: bool,
    defaults: Final | None,
    chosen: Final,
    warnings: Sequence[str],
) -> SweepReport:
    """Read a finished sweep.

    Arguments:
        clip_name, random_weights: of the frozen CLIP.
        config: of trial 0, with the final seeds.
        defaults, chosen: final tests of the given configuration, None where it failed, and of the best one.
        warnings: what must be read before the figures.
    """
    best = study.best()
    assert best is not None, "a report is of a sweep with a completed trial"
    values = study.space.values(best.params)
    before = study.space.values(study.space.point_of(config))
    return SweepReport(
        name=config.name,
        dimensions=study.space.dimensions,
        rows=(rows := _rows(study)),
        best=best.number,
        importances=_importances(study),
        front={trial.number for trial in study.study.best_trials} if len(study.study.directions) > 1 else set(),
        defaults_tested=spreads_of(defaults.tested) if defaults else None,
        best_tested=spreads_of(chosen.tested),
        changed=[(name, _text(before[name]), _text(value)) for name, value in values.items() if value != before[name]],
        facts=_facts(study, config, manifest, clip_name, rows),
        warnings=[RANDOM_WEIGHTS_WARNING] * random_weights + list(warnings),
        config_yaml=dump_config(without_sweep(with_values(config, values))),
    )


def spreads_of(runs: Iterable[EvaluatedRun]) -> Tested:
    """Spreads over seeds; where one target was reached from several sources they are averaged within each seed."""
    found: dict[str, dict[int | None, list[float]]] = {}
    for run in runs:
        found.setdefault(run.spec.target, {}).setdefault(run.spec.run.seed, []).append(run.accuracy)
    means = {
        target: {seed: statistics.fmean(values) for seed, values in by_seed.items()}
        for target, by_seed in found.items()
    }
    seeds = next(iter(means.values()))
    return Tested(
        by_target={target: spread(list(by_seed.values())) for target, by_seed in means.items()},
        average=spread([statistics.fmean(by_seed[seed] for by_seed in means.values()) for seed in seeds]),
    )


def _rows(study: SweepStudy) -> list[TrialRow]:
    return [
        TrialRow(
            number=trial.number,
            state=STATES[trial.state],
            val_accuracy=val_accuracy_of(trial),
            cost_seconds=trial.user_attrs.get("cost_seconds"),
            params=trial.params,
            reason=trial.user_attrs.get("reason", ""),
        )
        for trial in study.trials()
    ]


def _importances(study: SweepStudy) -> dict[str, float]:
    completed = study.trials(TrialState.COMPLETE)
    if len(completed) < IMPORTANCES_FROM or len({trial.values[0] for trial in completed}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # of equal importances, which the page shows as such
        found: Mapping[str, float] = get_param_importances(
            study.study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=TOP_SHARE),
            target=lambda trial: trial.values[0],
        )
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total > 0 else {}


def _facts(
    study: SweepStudy, config: Config, manifest: Manifest, clip_name: str, rows: Sequence[TrialRow]
) -> dict[str, str]:
    tune, states = config.tune, [row.state for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    # not the time from start to end: that of a resumed trial holds the hours in which the sweep lay dead
    training = [row.cost_seconds for row in rows if row.completed and row.cost_seconds is not None]
    asha = f"from epoch {tune.asha.first_epochs}, one in {tune.asha.reduction} goes on" if tune.asha.enabled else "off"
    return {
        "Data set": manifest.dataset,
        "Protocol": config.protocol,
        "Weights": clip_name,
        "Trials": counts,
        "Space": f"{tune.space}, {len(study.space.dimensions)} dimensions",
        "Algorithm": tune.algorithm,
        "Early stopping": asha,
        "Seeds of a trial": ", ".join(map(str, tune.seeds or config.seeds)),
        "Seeds of the final test": ", ".join(map(str, config.seeds)),
        "Training of a trial": f"{duration_text(statistics.median(training))} (median)",
        "Images encoded by trials": "0",
    }


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(list(value) if isinstance(value, tuple) else value) or '""'
