"""The results table for a terminal, made so that it stays readable as plain text in a job's log."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spg_dist.report.contents import ReportInput
from spg_dist.report.headline import HIGHEST, head_facts, headline, table_notes, warnings_of
from spg_dist.report.table import Cell, ResultTable, result_tables, source_tables


def render_table(report: ReportInput) -> RenderableType:
    """The content of `summary.md`'s head and tables as a rich renderable.

    Names are passed as `Text`, so that a domain called "[red]" is printed and not obeyed. The best figure of a column
    is bold and starred, since a log has no bold.
    """
    tables = result_tables(report)
    parts: list[RenderableType] = [Text(report.name, style="bold")]
    parts += [Text(f"WARNING: {warning}", style="bold yellow") for warning in warnings_of(report)]
    parts.append(Text(headline(tables)))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for label, text in head_facts(report).items():
        facts.add_row(Text(label, style="dim"), Text(text))
    parts += [Text(""), facts]
    for table in tables:
        notes = [*table_notes(table, report), f"* {HIGHEST}"]
        parts += [Text(""), _rich_table(table), *(Text(note, style="dim") for note in notes)]
    for table in source_tables(report):
        parts += [Text(""), _rich_table(table), *(Text(note, style="dim") for note in table.notes)]
    return Group(*parts)


def _rich_table(table: ResultTable) -> Table:
    rich_table = Table(box=box.ASCII2, title=Text(table.title), title_justify="left", title_style="bold")
    rich_table.add_column(Text(table.heads), overflow="fold")
    for column in table.columns:
        rich_table.add_column(Text(column), justify="right", overflow="fold")
    for line in table.lines:
        rich_table.add_row(Text(line.label), *map(_cell_text, line.cells))
    return rich_table


def _cell_text(cell: Cell) -> Text:
    text = Text(f"{cell.measured_text}{' *' if cell.best else ''}", style="bold" if cell.best else "")
    if cell.published:
        text.append(f"\npaper {cell.published_text}", style="not bold dim")
    return text
