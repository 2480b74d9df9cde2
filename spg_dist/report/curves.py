"""Training curves: for each method one panel per series, coloured by domain, seeds thin and their mean thick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from spg_dist.report.contents import Curve
from spg_dist.report.naming import Look, series_label, stage_label
from spg_dist.report.svg import RULE, inline_svg, panel, plot_style

_WIDTH, _HEIGHT = 310.0, 205.0


@dataclass(frozen=True)
class CurveGroup:
    """The panels of one method: (series title, SVG), and the runs shown, for the legend."""

    title: str
    runs: list[str]
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
                drawing = _panel(stage_label(method), series, shown, looks, f"curve-{number}-{index}")
                panels.append((series_label(series), drawing))
        if panels:
            runs = list(dict.fromkeys(curve.run for curve in own))
            groups.append(CurveGroup(title=stage_label(method), runs=runs, panels=panels))
    return groups


def _panel(
    stage: str,
    series: str,
    curves: list[Curve],
    looks: dict[str, Look],
    name: str,
) -> str:
    ends = []
    with plot_style():
        figure, axes = panel(_WIDTH, _HEIGHT)
        figure.subplots_adjust(left=0.13, right=0.985, top=0.97, bottom=0.19)
        for run in dict.fromkeys(curve.run for curve in curves):
            histories = [_finite(curve.series[series]) for curve in curves if curve.run == run]
            mean = _mean(histories)
            _draw(axes, histories, mean, looks[run])
            last = mean[np.isfinite(mean)]
            if last.size:
                ends.append(f"{run} {last[-1]:.3g}")
        _dress(axes, [value for curve in curves for value in _finite(curve.series[series]).tolist()])
        seeds = len({curve.seed for curve in curves})
        said = f"{stage}, {series_label(series)} by epoch, {seeds} seed{'s' if seeds > 1 else ''}"
        return inline_svg(figure, name, f"{said}; at the last epoch: {', '.join(ends) or 'no mean'}.")


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def _mean(histories: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over seeds as far as all of them went; an epoch that one of them lacks has none."""
    length = min(history.size for history in histories)
    mean: np.ndarray = np.stack([history[:length] for history in histories]).mean(axis=0)
    return mean


def _draw(axes: Axes, histories: Sequence[np.ndarray], mean: np.ndarray, look: Look) -> None:
    # A single epoch is a point and would be invisible as a line.
    marker = look.marker if mean.size == 1 else ""
    style = (0, look.dash) if look.dash else "-"
    if len(histories) > 1:
        for history in histories:
            axes.plot(
                np.arange(1, history.size + 1), history, color=look.colour, linewidth=0.9, alpha=0.45, linestyle=style
            )
    axes.plot(np.arange(1, mean.size + 1), mean, color=look.colour, linewidth=2.0, linestyle=style, marker=marker)


def _dress(axes: Axes, values: Sequence[float]) -> None:
    positive = [value for value in values if value > 0]
    finite = [value for value in values if math.isfinite(value)]
    if len(positive) == len(finite) and max(positive) > 100 * min(positive):
        axes.set_yscale("log")
        # matplotlib's own labels are formulas, which an SVG whose text stays text shows as their source
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        low, high = min(finite), max(finite)
        # A constant series would otherwise get an axis of 1e-16 steps.
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("epoch", fontsize=11)
