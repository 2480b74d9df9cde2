"""Accuracy by target and method: one small panel for each target, every bar with its name and figure."""

from __future__ import annotations

from matplotlib.axes import Axes

from spg_dist.report.naming import is_spg, method_colours
from spg_dist.report.svg import INK, MUTED, RULE, SURFACE, inline_svg, panel, plot_style
from spg_dist.report.table import Cell, Line, ResultTable

_WIDTH, _ROW_HEIGHT, _FOOT = 300.0, 36.0, 22.0


def accuracy_bars(table: ResultTable, prefix: str) -> list[tuple[str, str]]:
    """(column title, SVG) for the average, where there is more than one target, and for each target.

    Bars start at zero and end at 100 % in every panel, so that lengths may be compared across panels.
    """
    columns = list(enumerate(table.columns))
    ordered = [columns[-1], *columns[:-1]] if len(table.targets) > 1 else columns[:1]
    colours = method_colours([line.method for line in table.lines])
    return [
        (title, _panel(title, [(line, line.cells[index]) for line in table.lines], colours, f"{prefix}-{index}"))
        for index, title in ordered
    ]


def _panel(title: str, bars: list[tuple[Line, Cell]], colours: dict[str, str], name: str) -> str:
    with plot_style():
        figure, axes = panel(_WIDTH, _ROW_HEIGHT * len(bars) + _FOOT)
        figure.subplots_adjust(left=0.0, right=1.0, top=1.0, bottom=_FOOT / (_ROW_HEIGHT * len(bars) + _FOOT))
        for row, (line, cell) in enumerate(bars):
            _bar(axes, row, line, cell, colours[line.method])
        axes.set_xlim(-0.6, 100.6)
        axes.set_ylim(len(bars) - 0.42, -0.62)
        axes.set_yticks([])
        axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.spines["bottom"].set_visible(False)
        said = [f"{line.label} {cell.measured_text}" for line, cell in bars if cell.measured]
        said += [f"paper's {line.label} {cell.published_text}" for line, cell in bars if cell.published]
        return inline_svg(figure, name, f"Accuracy in percent, {title}: {'; '.join(said) or 'no results'}.")


def _bar(axes: Axes, row: int, line: Line, cell: Cell, colour: str) -> None:
    weight = "bold" if is_spg(line.method) else "normal"
    label = line.label if len(line.label) <= 30 else line.label[:29] + "…"
    axes.text(0, row - 0.1, label, fontweight=weight, va="bottom", fontsize=12)
    axes.barh(row + 0.13, 100, height=0.26, color=RULE)
    figure_text = cell.measured_text if cell.measured else "not measured"
    axes.text(
        100, row - 0.1, figure_text, color=INK if cell.measured else MUTED, fontweight=weight, ha="right", va="bottom"
    )
    if cell.measured:
        axes.barh(row + 0.13, cell.measured.mean, height=0.26, color=colour)
        if cell.measured.std is not None:
            low = max(0.0, cell.measured.mean - cell.measured.std)
            high = min(100.0, cell.measured.mean + cell.measured.std)
            # A halo keeps the whisker visible on bars of every colour.
            axes.plot([low, high], [row + 0.13] * 2, color=SURFACE, linewidth=4.0, solid_capstyle="butt")
            axes.plot([low, high], [row + 0.13] * 2, color=INK, linewidth=1.4, marker="|", markersize=8)
    if cell.published:
        axes.plot(
            [cell.published.mean], [row + 0.13], "D", color=SURFACE, markersize=5.5, markeredgecolor=INK, clip_on=False
        )
