"""The results table for a terminal, made so that it stays readable as plain text in a job's log."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spg_dist.report.contents import ReportInput
from spg_dist.report.headline import DEVIATION_NOTE, PAPER_NOTE, RANDOM_WEIGHTS_WARNING, head_facts, headline
from spg_dist.report.table import Cell, ResultTable, result_tables


def render_table(report: ReportInput) -> RenderableType:
    """The content of `summary.md`'s head and tables as a rich renderable.

    Names are passed as `Text`, so that a domain called "[red]" is printed and not obeyed. The best figure of a column
    is bold and starred, since a log has no bold.
    """
    tables = result_tables(report)
    parts: list[RenderableType] = [Text(report.name, style="bold"), Text(headline(report, tables))]
    if report.random_weights:
        parts.append(Text(f"WARNING: {RANDOM_WEIGHTS_WARNING}", style="bold yellow"))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for label, text in head_facts(report).items():
        facts.add_row(Text(label, style="dim"), Text(text))
    parts += [Text(""), facts]
    for table in tables:
        parts += [Text(""), _rich_table(table), *_notes(table)]
    return Group(*parts)


def _rich_table(table: ResultTable) -> Table:
    rich_table = Table(box=box.ASCII2, title=Text(table.title), title_justify="left", title_style="bold")
    rich_table.add_column(Text("Method"), overflow="fold")
    for column in table.columns:
        rich_table.add_column(Text(column), justify="right", overflow="fold")
    for line in table.lines:
        rich_table.add_row(Text(line.label), *map(_cell_text, line.cells))
    return rich_table


def _notes(table: ResultTable) -> list[Text]:
    notes = [DEVIATION_NOTE, "* best of the column."]
    if table.citation:
        notes += [PAPER_NOTE, f"{table.citation}."]
    return [Text(note, style="dim") for note in [*notes, *table.notes]]


def _cell_text(cell: Cell) -> Text:
    text = Text(f"{cell.measured_text}{' *' if cell.best else ''}", style="bold" if cell.best else "")
    if cell.published:
        text.append(f"\npaper {cell.published_text}", style="not bold dim")
    return text
