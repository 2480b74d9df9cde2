"""Drawings of a sweep: its history, what mattered, every trial across all dimensions, and each dimension by itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from spg_dist.report.naming import BLUE, NEUTRAL, ORANGE, SKY, Look
from spg_dist.report.svg import INK, MUTED, RULE, SURFACE, inline_svg, panel, plot_style
from tuning.report.contents import SweepReport, TrialRow
from tuning.spaces import Choices, Dimension, Label, short_names

BEST, DEFAULTS = Look(BLUE, "D", ()), Look(ORANGE, "s", ())
COMPLETED, STOPPED = Look(SKY, "o", ()), Look(NEUTRAL, "v", ())
LABEL_WIDTH = 48
"""Characters that have room under a slice."""

AXIS_WIDTH = 68.0
"""Points between two axes of the parallel plot."""

_WIDTH, _HEIGHT = 310.0, 205.0


def look_of(report: SweepReport, row: TrialRow) -> Look:
    """The best trial, the defaults, and the others by how they ended."""
    if row.number == report.best:
        return BEST
    if row.number == 0:
        return DEFAULTS
    return COMPLETED if row.completed else STOPPED


def shown_rows(report: SweepReport) -> list[TrialRow]:
    """Trials with a value, those that matter most last: they are drawn on top."""
    rows = [row for row in report.rows if row.val_accuracy is not None]
    return sorted(rows, key=lambda row: (row.number == report.best, row.number == 0, row.completed))


def history_plot(report: SweepReport, name: str) -> str:
    """Val accuracy by trial, and the best so far."""
    with plot_style():
        figure, axes = panel(640.0, 240.0)
        figure.subplots_adjust(left=0.075, right=0.99, top=0.97, bottom=0.16)
        completed = [row for row in report.rows if row.completed]
        best_so_far = list(itertools.accumulate((_value(row) for row in completed), max))
        numbers = [*(row.number for row in completed), report.rows[-1].number]
        axes.step(numbers, [*best_so_far, best_so_far[-1]], where="post", color=MUTED)
        _points(axes, report, lambda row: row.number)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("trial", fontsize=11)
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        defaults = f" Trial 0, the defaults, {_value(report.row(0)):.2f} %;" if report.row(0).completed else ""
        best = f" the best, trial {report.best}, {best_so_far[-1]:.2f} %."
        return inline_svg(figure, name, f"Val accuracy by trial; the line is the best so far.{defaults}{best}")


def slice_plot(report: SweepReport, dimension: Dimension, name: str) -> str:
    """Val accuracy by one dimension alone."""
    with plot_style():
        figure, axes = panel(_WIDTH, _HEIGHT)
        figure.subplots_adjust(left=0.13, right=0.97, top=0.97, bottom=0.15)
        _points(axes, report, lambda row: _position(dimension, row.params[dimension.name]))
        _dress(axes, dimension)
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        best = report.row(report.best).params[dimension.name]
        return inline_svg(figure, name, f"Val accuracy by {dimension.name}; the best trial has {short(best)}.")


def parallel_plot(report: SweepReport, name: str) -> str:
    """Every completed trial as a line through all dimensions to its val accuracy."""
    dimensions = list(report.dimensions)
    rows = [row for row in shown_rows(report) if row.completed]
    values = [_value(row) for row in rows]
    low, high = min(values), max(values)
    top = sorted(values)[-max(1, len(values) // 4)]
    with plot_style():
        figure, axes = panel(max(640.0, AXIS_WIDTH * (len(dimensions) + 1)), 300.0)
        figure.subplots_adjust(left=0.05, right=0.95, top=0.9, bottom=0.14)
        for row in rows:
            heights = [_share(dimension, row.params[dimension.name]) for dimension in dimensions]
            heights.append((_value(row) - low) / (high - low) if high > low else 0.5)
            look, marked = look_of(report, row), row.number in (0, report.best)
            colour = look.colour if marked or _value(row) >= top else NEUTRAL
            axes.plot(heights, color=colour, linewidth=2.6 if marked else 1.1, alpha=1.0 if marked else 0.6)
        names = short_names(dimensions)
        for place, dimension in enumerate(dimensions):
            _axis(axes, place, _ends(dimension), _cut(names[dimension.name], 20), place % 2)
        _axis(axes, len(dimensions), (f"{low:.1f} %", f"{high:.1f} %"), "val accuracy", len(dimensions) % 2)
        axes.set_xlim(-0.3, len(dimensions) + 0.3)
        axes.set_ylim(-0.12, 1.16)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines["bottom"].set_visible(False)
        best = report.row(report.best)
        said = "; ".join(f"{key} {short(value)}" for key, value in best.params.items())
        return inline_svg(figure, name, f"{len(rows)} completed trials across all dimensions. The best: {said}.")


def short(value: Label) -> str:
    """E.g. 0.00213, "4, 'a photo of a'"."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _value(row: TrialRow) -> float:
    assert row.val_accuracy is not None, "completed and stopped trials have reported"
    return row.val_accuracy


def _points(axes: Axes, report: SweepReport, place: Callable[[TrialRow], float]) -> None:
    for row in shown_rows(report):
        look, marked = look_of(report, row), row.number in (0, report.best)
        axes.plot(
            [place(row)],
            [_value(row)],
            linestyle="",
            marker=look.marker,
            markersize=8.0 if marked else 6.0,
            color=look.colour,
            markeredgecolor=SURFACE,
            markeredgewidth=0.6,
        )
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _position(dimension: Dimension, label: Label) -> float:
    if isinstance(dimension.domain, Choices):
        return float(dimension.domain.labels.index(str(label)))
    return float(label)


def _share(dimension: Dimension, label: Label) -> float:
    """Where a label lies between the ends of its dimension, 0 to 1."""
    domain = dimension.domain
    if isinstance(domain, Choices):
        return domain.labels.index(str(label)) / max(len(domain.labels) - 1, 1)
    if domain.log:
        return math.log(float(label) / domain.low) / math.log(domain.high / domain.low)
    return (float(label) - domain.low) / (domain.high - domain.low)


def _dress(axes: Axes, dimension: Dimension) -> None:
    domain = dimension.domain
    if isinstance(domain, Choices):
        labels = [_cut(_plain(label), LABEL_WIDTH // len(domain.labels)) for label in domain.labels]
        axes.set_xticks(range(len(labels)), labels)
        if sum(map(len, labels)) > LABEL_WIDTH // 2:
            axes.tick_params(axis="x", labelsize=9)
        axes.set_xlim(-0.5, len(domain.labels) - 0.5)
        return
    if domain.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    margin = 0.04
    if domain.log:
        stretch = (domain.high / domain.low) ** margin
        axes.set_xlim(domain.low / stretch, domain.high * stretch)
    else:
        pad = margin * (domain.high - domain.low)
        axes.set_xlim(domain.low - pad, domain.high + pad)


def _ends(dimension: Dimension) -> tuple[str, str]:
    domain = dimension.domain
    if isinstance(domain, Choices):
        return _cut(_plain(domain.labels[0]), 11), _cut(_plain(domain.labels[-1]), 11)
    return f"{domain.low:g}", f"{domain.high:g}"


def _axis(axes: Axes, place: int, ends: tuple[str, str], title: str, raised: int) -> None:
    axes.plot([place, place], [0, 1], color=RULE, linewidth=1.5, zorder=0)
    axes.text(place, -0.03, ends[0], ha="center", va="top", color=MUTED, fontsize=10)
    axes.text(place, 1.02, ends[1], ha="center", va="bottom", color=MUTED, fontsize=10)
    axes.text(place, -0.1 - 0.055 * raised, title, ha="center", va="top", color=INK, fontsize=10.5)


def _plain(label: str) -> str:
    """A list without its brackets."""
    return label[1:-1].replace(", ", ",") if label.startswith("[") else label


def _cut(label: str, longest: int) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def legend_looks(report: SweepReport, rows: Sequence[TrialRow]) -> dict[str, Look]:
    """What the marks stand for, those that are there."""
    names = {"best trial": BEST, "defaults (trial 0)": DEFAULTS, "completed": COMPLETED, "stopped early": STOPPED}
    there = {look_of(report, row) for row in rows}
    return {name: look for name, look in names.items() if look in there}
