"""`report.html`: one self-contained page with tables, plots, sample images and the configuration."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from cache.durable import write_text
from spg_dist.progress.costs import Costs
from spg_dist.progress.duration import duration_text
from spg_dist.report.accuracy_bars import accuracy_bars
from spg_dist.report.contents import ReportInput, Sample
from spg_dist.report.curves import curve_groups
from spg_dist.report.headline import HIGHEST, head_facts, headline, table_notes, warnings_of
from spg_dist.report.large_figures import large_figures
from spg_dist.report.naming import Look, domain_looks, in_order, method_label
from spg_dist.report.projections import projection_note, projection_plot
from spg_dist.report.shell import Figure, FigureGroup, Legend, Shell, page_html
from spg_dist.report.table import ResultTable, result_tables, source_tables
from spg_dist.report.times import TITLE, time_notes

# Up to so many images set aside are listed openly; more fold away.
SET_ASIDE_OPEN = 12


@dataclass(frozen=True)
class Verdict:
    """One method's prediction for a sample."""

    method: str
    prediction: str
    right: bool


@dataclass(frozen=True)
class Picture:
    """A sample as the page shows it."""

    url: str
    truth: str
    alternative: str
    verdicts: list[Verdict]


def write_report(path: Path, report: ReportInput) -> None:
    """Replace the file `path` by the HTML page of `report`."""
    write_text(path, report_html(report))


def report_html(report: ReportInput) -> str:
    """The whole page. A section without content is left out, and so is its entry in the table of contents."""
    tables = result_tables(report)
    looks = domain_looks(report)
    curves = _curve_figures(report, looks)
    projections = _projection_figures(report, looks)
    content = {
        "results": tables,
        "accuracy": tables,
        "training": curves,
        "prompts": projections.figures,
        "samples": report.samples,
        "set-aside": report.set_aside,
        "time": report.costs.phases,
        "configuration": report.config_yaml,
    }
    return page_html(
        "report.html.j2",
        Shell(
            title=report.name + (f": SPG, {tables[0].title}" if tables else ": Soft Prompt Generation"),
            kicker="run report",
            heading=report.name,
            warnings=warnings_of(report),
            lead=headline(tables)
            .replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
            .replace(" %", "\N{NO-BREAK SPACE}%"),
            numbers=large_figures(report, tables),
            facts=head_facts(report),
            sections={name: name.replace("-", " ").capitalize() for name, shown in content.items() if shown},
        ),
        report=report,
        tables=[(table, table_notes(table, report)) for table in tables],
        highest=HIGHEST,
        source_tables=source_tables(report),
        accuracy_about=_about_accuracy(tables),
        bars=[_bar_group(table, f"bars-{index}", len(tables)) for index, table in enumerate(tables)],
        curves=curves,
        several_seeds=len({curve.seed for curve in report.curves}) > 1,
        projections=projections,
        pictures=_pictures(report.samples),
        times=_times(report.costs),
        times_title=TITLE,
        time_notes=time_notes(report.costs),
        total_time=duration_text(report.costs.seconds),
        set_aside_open=len(report.set_aside) <= SET_ASIDE_OPEN,
    )


def _about_accuracy(tables: Sequence[ResultTable]) -> str:
    several = any(len(table.targets) > 1 for table in tables)
    said = ["The average, then each target." if several else "", "No method saw a target in training."]
    if any(len(table.seeds) > 1 for table in tables):
        said.append("Whiskers show one standard deviation over seeds.")
    if any(table.citation for table in tables):
        said.append("A diamond marks the paper’s figure.")
    return " ".join(filter(None, said))


def _bar_group(table: ResultTable, prefix: str, tables: int) -> FigureGroup:
    figures = [Figure(title, Markup(drawing)) for title, drawing in accuracy_bars(table, prefix)]
    return FigureGroup(title=table.title if tables > 1 else "", figures=figures)


def _curve_figures(report: ReportInput, looks: dict[str, Look]) -> list[FigureGroup]:
    return [
        FigureGroup(
            title=group.title,
            figures=[Figure(title, Markup(drawing)) for title, drawing in group.panels],
            legend=Legend(group.run_means, {run: looks[run] for run in group.runs}),
        )
        for group in curve_groups(report.curves, looks)
    ]


def _projection_figures(report: ReportInput, looks: dict[str, Look]) -> FigureGroup:
    shown = [projection for projection in report.projections if projection.points_N2]
    domains = dict.fromkeys(domain for projection in shown for domain in projection.domain_N)
    return FigureGroup(
        title="",
        figures=[
            Figure(
                title=projection.title,
                drawing=Markup(projection_plot(projection, looks, f"prompts-{index}")),
                note=projection_note(projection),
            )
            for index, projection in enumerate(shown)
        ],
        legend=Legend("Prompts for images of", {domain: looks[domain] for domain in domains}),
    )


def _pictures(samples: Iterable[Sample]) -> dict[str, list[Picture]]:
    """Heading → pictures."""
    groups: dict[str, list[Picture]] = {}
    for sample in samples:
        verdicts = [
            Verdict(method_label(method), sample.predictions[method], sample.predictions[method] == sample.truth)
            for method in in_order(sample.predictions)
        ]
        url = "data:image/jpeg;base64," + base64.b64encode(sample.jpeg).decode("ascii")
        heading = sample.domain + (f", methods trained on {sample.trained_on}" if sample.trained_on else "")
        picture = Picture(url, sample.truth, f"{sample.truth}, {sample.domain}", verdicts)
        groups.setdefault(heading, []).append(picture)
    return groups


def _times(costs: Costs) -> list[tuple[str, str, str, float]]:
    """(phase, duration, what was done, share of the longest phase in percent)."""
    longest = max((cost.seconds for cost in costs.phases), default=0.0) or 1.0
    return [
        (cost.phase, duration_text(cost.seconds), cost.in_words(), 100.0 * cost.seconds / longest)
        for cost in costs.phases
    ]
