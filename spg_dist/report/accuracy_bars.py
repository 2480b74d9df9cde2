"""Accuracy by target and method: one small panel for the average and for each target."""

from __future__ import annotations

from spg_dist.report.bars import Bar, bar_plot
from spg_dist.report.naming import is_in_focus, method_colours
from spg_dist.report.table import Cell, MethodLine, ResultTable


def accuracy_bars(table: ResultTable, prefix: str) -> list[tuple[str, str]]:
    """(column title, SVG) for the average, where there is more than one target, and for each target.

    Bars start at zero and end at 100 % in every panel, so that lengths may be compared across panels.
    """
    columns = list(enumerate(table.columns))
    ordered = [columns[-1], *columns[:-1]] if len(table.targets) > 1 else columns
    colours = method_colours([line.method for line in table.lines])
    return [
        (title, _panel(title, [(line, line.cells[index]) for line in table.lines], colours, f"{prefix}-{index}"))
        for index, title in ordered
    ]


def _panel(title: str, cells: list[tuple[MethodLine, Cell]], colours: dict[str, str], name: str) -> str:
    said = [f"{line.label} {cell.measured_text}" for line, cell in cells if cell.measured]
    said += [f"paper's {line.label} {cell.published_text}" for line, cell in cells if cell.published]
    bars = [_bar(line, cell, colours[line.method]) for line, cell in cells]
    return bar_plot(bars, name, f"Accuracy in percent, {title}: {'; '.join(said) or 'no results'}.")


def _bar(line: MethodLine, cell: Cell, colour: str) -> Bar:
    return Bar(
        label=line.label,
        text=cell.measured_text if cell.measured else "not measured",
        value=cell.measured.mean if cell.measured else None,
        colour=colour,
        deviation=cell.measured.std if cell.measured else None,
        diamond=cell.published.mean if cell.published else None,
        bold=is_in_focus(line.method),
    )
