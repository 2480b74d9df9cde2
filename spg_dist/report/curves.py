"""Training curves: for each method one panel per series, a line for each run, coloured by the domain it goes by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spg_dist.report.contents import Curve
from spg_dist.report.lines import Line, line_plot
from spg_dist.report.naming import Look, series_label, stage_label


@dataclass(frozen=True)
class CurveGroup:
    """The panels of one method: (series title, SVG); the runs shown and what they go by, for the legend."""

    title: str
    runs: list[str]
    run_means: str
    panels: list[tuple[str, str]]


def curve_groups(curves: Sequence[Curve], looks: dict[str, Look]) -> list[CurveGroup]:
    """One group for each method, in order of appearance; series without a single finite value are left out."""
    groups = []
    for number, method in enumerate(dict.fromkeys(curve.method for curve in curves)):
        own = [curve for curve in curves if curve.method == method]
        names = list(dict.fromkeys(name for curve in own for name in curve.series))
        # Losses before accuracies, so that the panels of all methods read alike.
        names.sort(key=lambda name: "accuracy" in name)
        panels = []
        for index, series in enumerate(names):
            shown = [curve for curve in own if any(map(math.isfinite, curve.series.get(series, [])))]
            if shown:
                panels.append((series_label(series), _panel(series, shown, looks, f"curve-{number}-{index}")))
        if panels:
            runs = list(dict.fromkeys(curve.run for curve in own))
            groups.append(CurveGroup(stage_label(method), runs, own[0].run_means, panels))
    return groups


def _panel(series: str, curves: list[Curve], looks: dict[str, Look], name: str) -> str:
    runs = dict.fromkeys(curve.run for curve in curves)
    lines = [Line(run, looks[run], [curve.series[series] for curve in curves if curve.run == run]) for run in runs]
    seeds = len({curve.seed for curve in curves})
    said = f"{stage_label(curves[0].method)}, {series_label(series)} by epoch, {seeds} seed{'s' if seeds > 1 else ''}"
    by = f". Lines by: {curves[0].run_means.lower()}" if curves[0].run_means else ""
    return line_plot(lines, name, said + by)
