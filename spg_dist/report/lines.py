"""Values step by step as lines: one colour a subject, repetitions thin and their mean thick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from spg_dist.report.naming import Look
from spg_dist.report.svg import RULE, inline_svg, panel, plot_style

_WIDTH, _HEIGHT = 310.0, 205.0


@dataclass(frozen=True)
class Line:
    """One subject's histories, such as those of its seeds: the first value belongs to step 1.

    Values that are not finite leave a gap.
    """

    label: str
    look: Look
    histories: Sequence[Sequence[float]]


def line_plot(lines: Sequence[Line], name: str, about: str, *, steps: str = "epoch") -> str:
    """Lines over the steps 1, 2, 3, ... as an `<svg>` element; logarithmic where positive values span over 100 times.

    Arguments:
        lines: with at least one finite value among them.
        name: unique on the page.
        about: what is drawn, for those who cannot see it; the last mean of each line is added.
        steps: label of the horizontal axis.
    """
    ends, drawn = [], []
    with plot_style():
        figure, axes = panel(_WIDTH, _HEIGHT)
        figure.subplots_adjust(left=0.13, right=0.985, top=0.97, bottom=0.19)
        for line in lines:
            histories = [_finite(history) for history in line.histories]
            mean = _mean(histories)
            _draw(axes, histories, mean, line.look)
            last = mean[np.isfinite(mean)]
            if last.size:
                ends.append(f"{line.label} {last[-1]:.3g}")
            drawn += histories
        _dress(axes, [value for history in drawn for value in history.tolist()], max(map(len, drawn)), steps)
        return inline_svg(figure, name, f"{about}; at the last {steps}: {', '.join(ends) or 'no mean'}.")


def _steps_shown(length: int) -> list[int]:
    """Whole steps, the first among them and none close to it."""
    round_steps = [round(step) for step in MaxNLocator(6, integer=True).tick_values(1, max(length, 2))]
    return [1, *(step for step in round_steps if 1 + length / 12 < step <= length)]


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def _mean(histories: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over repetitions as far as all of them went; a step that one of them lacks has none."""
    length = min(history.size for history in histories)
    mean: np.ndarray = np.stack([history[:length] for history in histories]).mean(axis=0)
    return mean


def _draw(axes: Axes, histories: Sequence[np.ndarray], mean: np.ndarray, look: Look) -> None:
    # A single step is a point and would be invisible as a line.
    marker = look.marker if mean.size == 1 else ""
    style = (0, look.dash) if look.dash else "-"
    if len(histories) > 1:
        for history in histories:
            axes.plot(
                np.arange(1, history.size + 1), history, color=look.colour, linewidth=0.9, alpha=0.45, linestyle=style
            )
    axes.plot(np.arange(1, mean.size + 1), mean, color=look.colour, linewidth=2.0, linestyle=style, marker=marker)


def _dress(axes: Axes, values: Sequence[float], length: int, steps: str) -> None:
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
        # A series that hardly changes would otherwise get an axis of 1e-16 steps.
        margin = max(0.06 * (high - low), 0.005 * abs(high)) or 1.0
        axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(1 - 0.04 * length, 1.04 * length)
    axes.set_xticks(_steps_shown(length))
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(steps, fontsize=11)
