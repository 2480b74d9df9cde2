"""Labelled bars between two ends: every bar with its name and figure above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from spg_dist.report.svg import INK, MUTED, RULE, SURFACE, inline_svg, panel, plot_style

_WIDTH, _ROW_HEIGHT, _FOOT = 300.0, 36.0, 22.0


@dataclass(frozen=True)
class Bar:
    """One bar.

    Arguments:
        label: its name, shortened in the drawing where it is long.
        text: its figure as printed.
        value: its length; None draws the empty track.
        colour: one of `svg.THEME` or any that matplotlib knows.
        deviation: half the length of its whisker, None for none.
        diamond: another value to compare with, marked by a diamond; None for none.
        bold: whether name and figure stand out.
    """

    label: str
    text: str
    value: float | None
    colour: str
    deviation: float | None = None
    diamond: float | None = None
    bold: bool = False


def bar_plot(bars: Sequence[Bar], name: str, about: str, *, end: float = 100.0, unit: str = " %") -> str:
    """Bars from zero to `end` as an `<svg>` element; plots of the same `end` may be compared by length.

    Arguments:
        bars: at least one.
        name: unique on the page.
        about: what the drawing says, for those who cannot see it.
    """
    height = _ROW_HEIGHT * len(bars) + _FOOT
    with plot_style():
        figure, axes = panel(_WIDTH, height)
        figure.subplots_adjust(left=0.0, right=1.0, top=1.0, bottom=_FOOT / height)
        for row, bar in enumerate(bars):
            _draw(axes, row, bar, end)
        axes.set_xlim(-0.006 * end, 1.006 * end)
        axes.set_ylim(len(bars) - 0.42, -0.62)
        axes.set_yticks([])
        axes.set_xticks([0, end / 2, end], ["0", f"{end / 2:g}", f"{end:g}{unit}"])
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.spines["bottom"].set_visible(False)
        return inline_svg(figure, name, about)


def _draw(axes: Axes, row: int, bar: Bar, end: float) -> None:
    weight = "bold" if bar.bold else "normal"
    label = bar.label if len(bar.label) <= 30 else bar.label[:29] + "…"
    axes.text(0, row - 0.1, label, fontweight=weight, va="bottom", fontsize=12)
    axes.text(
        end, row - 0.1, bar.text, color=MUTED if bar.value is None else INK, fontweight=weight, ha="right", va="bottom"
    )
    axes.barh(row + 0.13, end, height=0.26, color=RULE)
    if bar.value is not None:
        axes.barh(row + 0.13, bar.value, height=0.26, color=bar.colour)
        if bar.deviation is not None:
            low, high = max(0.0, bar.value - bar.deviation), min(end, bar.value + bar.deviation)
            # A halo keeps the whisker visible on bars of every colour.
            axes.plot([low, high], [row + 0.13] * 2, color=SURFACE, linewidth=4.0, solid_capstyle="butt")
            axes.plot([low, high], [row + 0.13] * 2, color=INK, linewidth=1.4, marker="|", markersize=8)
    if bar.diamond is not None:
        axes.plot([bar.diamond], [row + 0.13], "D", color=SURFACE, markersize=5.5, markeredgecolor=INK, clip_on=False)
