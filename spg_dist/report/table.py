"""The results table as data: methods by targets and average, each cell with the paper's figure where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spg_dist.evaluation.results import MethodSummary, ResultRow, Spread, aggregate
from spg_dist.protocols import PROTOCOLS
from spg_dist.report.contents import ReportInput
from spg_dist.report.naming import in_order, is_in_focus, method_label
from spg_dist.report.published import PublishedFigure, averages_like_the_paper, published_figure


@dataclass(frozen=True)
class Cell:
    """What was measured, what the paper prints, and whether no other method's mean in the column is higher."""

    measured: Spread | None
    published: PublishedFigure | None
    best: bool

    @property
    def measured_text(self) -> str:
        return "–" if self.measured is None else percent_text(self.measured.mean, self.measured.std)

    @property
    def published_text(self) -> str:
        return "" if self.published is None else percent_text(self.published.mean, self.published.standard_error)


@dataclass(frozen=True)
class MethodLine:
    """One method (or one source); `cells` has one entry for each target, then the average if there are several."""

    method: str
    label: str
    cells: list[Cell]

    @property
    def average(self) -> Cell:
        return self.cells[-1]


@dataclass(frozen=True)
class ResultTable:
    """The results of one data set, protocol and backbone, methods in the order of `naming.in_order`.

    `heads` names what the lines are, and `part` the part of the results that is shown, empty for all.
    """

    dataset: str
    protocol: str
    backbone: str
    targets: list[str]
    lines: list[MethodLine]
    seeds: list[int]
    notes: list[str]
    heads: str = "Method"
    part: str = ""

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.protocol}, {self.backbone}" + (f": {self.part}" if self.part else "")

    @property
    def columns(self) -> list[str]:
        return [*self.targets, "Average"] if len(self.targets) > 1 else self.targets

    @property
    def citation(self) -> str:
        """Where the paper's figures in this table are printed; empty if it shows none."""
        published = [cell.published for line in self.lines for cell in line.cells if cell.published]
        return ", ".join(dict.fromkeys([*(f.source for f in published), *(f.table for f in published)]))


def percent_text(mean: float, deviation: float | None) -> str:
    """`94.0 ± 2.0`, or `94.0` without a deviation."""
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def result_tables(report: ReportInput) -> list[ResultTable]:
    """One table for each (dataset, protocol, backbone) of the rows, in order of appearance."""
    summaries = aggregate(report.rows)
    keys = dict.fromkeys((s.dataset, s.protocol, s.backbone) for s in summaries)
    return [
        _table(
            [s for s in summaries if (s.dataset, s.protocol, s.backbone) == key],
            [r for r in report.rows if (r.dataset, r.protocol, r.backbone) == key],
            report.comparable and not report.random_weights,
        )
        for key in keys
    ]


def source_tables(report: ReportInput) -> list[ResultTable]:
    """For each single-source table of the report SPG's accuracy by source and target; for other protocols none."""
    tables = []
    for table in result_tables(report):
        rows = [r for r in report.rows if (r.dataset, r.backbone) == (table.dataset, table.backbone)]
        one_source = PROTOCOLS[table.protocol].has_one_source
        rows = [r for r in rows if r.protocol == table.protocol and one_source and is_in_focus(r.method)]
        if rows:
            tables.append(_source_table(table, rows))
    return tables


def _source_table(table: ResultTable, rows: Sequence[ResultRow]) -> ResultTable:
    sources = list(dict.fromkeys(row.source for row in rows))
    known = [target for target in table.targets if target in sources]
    lines = []
    for source in known + [source for source in sources if source not in known]:
        (summary,) = aggregate(row for row in rows if row.source == source)
        spreads = [*(summary.by_target.get(target) for target in table.targets), summary.average]
        cells = [Cell(measured, None, best=False) for measured in spreads[: len(table.columns)]]
        lines.append(MethodLine(rows[0].method, source, cells))
    return ResultTable(
        table.dataset,
        table.protocol,
        table.backbone,
        table.targets,
        lines,
        table.seeds,
        ["The average of a source is over the targets that it was tested on, which differ from line to line."],
        heads="Trained on",
        part=f"{method_label(rows[0].method)} by source",
    )


def _table(summaries: list[MethodSummary], rows: list[ResultRow], comparable: bool) -> ResultTable:
    targets = list(dict.fromkeys(row.target for row in rows))
    by_method = {summary.method: summary for summary in summaries}
    lines = []
    for method in in_order(by_method):
        summary = by_method[method]
        own = [row for row in rows if row.method == method]
        pairs = {(row.source, row.target) for row in own}
        alike = comparable and all(row.is_the_papers_method for row in own)
        cells = [_cell(by_method, summary, target, alike) for target in targets]
        if len(targets) > 1:
            whole = averages_like_the_paper(summary.dataset, summary.protocol, pairs)
            cells.append(_cell(by_method, summary, None, alike and whole))
        lines.append(MethodLine(method=method, label=method_label(method), cells=cells))
    first = summaries[0]
    notes = [f"{method_label(row.method)}: {row.note}" for row in rows if row.note]
    return ResultTable(
        dataset=first.dataset,
        protocol=first.protocol,
        backbone=first.backbone,
        targets=targets,
        lines=lines,
        seeds=sorted({row.seed for row in rows if row.seed is not None}),
        notes=list(dict.fromkeys(notes)),
    )


def _cell(by_method: dict[str, MethodSummary], own: MethodSummary, target: str | None, comparable: bool) -> Cell:
    def measured(summary: MethodSummary) -> Spread | None:
        return summary.average if target is None else summary.by_target.get(target)

    value = measured(own)
    rivals = [rival.mean for rival in map(measured, by_method.values()) if rival is not None]
    published = published_figure(own.dataset, own.protocol, own.backbone, own.method, target, comparable=comparable)
    # Compared as printed: a lead that the table does not show is none.
    best = len(rivals) > 1 and value is not None and round(value.mean, 1) == round(max(rivals), 1)
    return Cell(measured=value, published=published, best=best)
