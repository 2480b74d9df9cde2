"""`summary.md`: the head and the results table as Markdown that reads well unrendered too."""

from __future__ import annotations

import re
from pathlib import Path

from cache.durable import write_text
from spg_dist.report.contents import ReportInput
from spg_dist.report.headline import HIGHEST, head_facts, headline, table_notes, warnings_of
from spg_dist.report.table import Cell, ResultTable, result_tables, source_tables
from spg_dist.report.times import TITLE, time_lines, time_notes


def write_summary(path: Path, report: ReportInput) -> None:
    """Replace the file `path` by the Markdown summary of `report`."""
    write_text(path, summary_text(report))


def summary_text(report: ReportInput) -> str:
    """The whole summary. Names are escaped, so that a domain called `a|b` stays in its column."""
    tables = result_tables(report)
    blocks = [f"# {_plain(report.name)}", *(f"**{_plain(warning)}**" for warning in warnings_of(report))]
    blocks.append(_plain(headline(tables)))
    blocks.append("\n".join(f"- {_plain(label)}: {_plain(text)}" for label, text in head_facts(report).items()))
    for table in tables:
        notes = [*table_notes(table, report), f"Bold: {HIGHEST}"]
        blocks += [*_table_blocks(table), "\n".join(f"- {_plain(note)}" for note in notes)]
    for table in source_tables(report):
        blocks += [*_table_blocks(table), "\n".join(f"- {_plain(note)}" for note in table.notes)]
    if report.set_aside:
        lines = [f"- {_plain(image)}: {_plain(reason)}" for image, reason in report.set_aside]
        blocks += ["## Images set aside", "\n".join(lines)]
    if report.costs.phases:
        lines = [f"- {_plain(line)}" for line in (*time_lines(report.costs), *time_notes(report.costs))]
        blocks += [f"## {TITLE}", "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def _table_blocks(table: ResultTable) -> list[str]:
    header = [table.heads, *map(_plain, table.columns)]
    body = [[_plain(line.label), *map(_cell_text, line.cells)] for line in table.lines]
    widths = [max(len(row[index]) for row in [header, *body]) for index in range(len(header))]

    def aligned(row: list[str]) -> str:
        first, *others = row
        cells = [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return [
        f"## {_plain(table.title)}",
        "\n".join([aligned(header), f"|{rule}|", *map(aligned, body)]),
    ]


def _cell_text(cell: Cell) -> str:
    measured = f"**{cell.measured_text}**" if cell.best else cell.measured_text
    return f"{measured} (paper {cell.published_text})" if cell.published else measured


def _plain(text: str) -> str:
    """`text` on one line with Markdown's and HTML's active characters escaped."""
    return re.sub(r"([\\`*|<\[\]])", r"\\\1", " ".join(text.split()))
