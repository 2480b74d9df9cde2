"""`report.html`: one self-contained page with tables, plots, sample images and the configuration.

No script, no outside file, no network: styles and drawings are inline and images are data URLs. All text goes through
the template's autoescape; only drawings made by `svg.inline_svg`, which escapes its own text, are passed as markup.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spg_dist.evaluation.results import replace_text
from spg_dist.report.bars import accuracy_bars
from spg_dist.report.contents import ReportInput, Sample
from spg_dist.report.curves import curve_groups
from spg_dist.report.headline import (
    DEVIATION_NOTE,
    PAPER_NOTE,
    RANDOM_WEIGHTS_WARNING,
    difference_to_zero_shot,
    duration_text,
    find_line,
    head_facts,
    headline,
)
from spg_dist.report.naming import Look, domain_looks, in_order, is_spg, is_zero_shot, method_label
from spg_dist.report.scatter import scatter, scatter_note
from spg_dist.report.table import ResultTable, result_tables

# Up to so many images set aside are listed openly; more fold away.
SET_ASIDE_OPEN = 12


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption and a remark under it."""

    title: str
    drawing: Markup
    note: str = ""


@dataclass(frozen=True)
class FigureGroup:
    """Figures that share a heading and a legend of (name, look, unseen)."""

    title: str
    figures: list[Figure]
    legend: list[tuple[str, Look, bool]]


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


@dataclass(frozen=True)
class Number:
    """One of the large figures under the headline."""

    label: str
    value: str
    remark: str


def write_report(path: Path, report: ReportInput) -> None:
    """Replace the file `path` by the HTML page of `report`."""
    replace_text(path, report_html(report))


def report_html(report: ReportInput) -> str:
    """The whole page. A section without content is left out, and so is its entry in the table of contents."""
    environment = Environment(
        loader=PackageLoader("spg_dist.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = result_tables(report)
    looks = domain_looks(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        headline=headline(report, tables),
        numbers=_numbers(report, tables),
        facts=head_facts(report),
        tables=tables,
        bars=[_bar_group(table, f"bars-{index}", len(tables)) for index, table in enumerate(tables)],
        curves=_curve_figures(report, looks),
        projections=_projection_figures(report, looks),
        pictures=_pictures_by_domain(report.samples),
        timings=_timings(report.timings),
        total_time=duration_text(sum(report.timings.values())),
        set_aside_open=len(report.set_aside) <= SET_ASIDE_OPEN,
        warning=RANDOM_WEIGHTS_WARNING,
        deviation_note=DEVIATION_NOTE,
        paper_note=PAPER_NOTE,
    )


def _numbers(report: ReportInput, tables: Sequence[ResultTable]) -> list[Number]:
    if not tables:
        return []
    table = tables[0]
    numbers = []
    for line in (find_line(table, is_spg), find_line(table, is_zero_shot)):
        if line is not None and line.average.measured is not None:
            measured = line.average.measured
            deviation = "" if measured.std is None else f"± {measured.std:.1f}, "
            seeds = (
                f"{measured.count} seed{'s' if measured.count > 1 else ''}" if is_spg(line.method) else "no training"
            )
            numbers.append(Number(f"{line.label}, average", f"{measured.mean:.1f} %", deviation + seeds))
    difference = difference_to_zero_shot(table)
    if difference is not None:
        sign = "+" if difference > 0 else "−" if difference < 0 else "±"
        numbers.append(Number("SPG against zero-shot", f"{sign}{abs(difference):.1f}", "points of accuracy"))
    tested = {(r.dataset, r.target): r.n for r in report.rows if r.dataset == table.dataset}
    across = f"across {len(tested)} target{'s' if len(tested) > 1 else ''}"
    numbers.append(Number("Images tested", f"{sum(tested.values()):,}", across))
    return numbers


def _bar_group(table: ResultTable, prefix: str, tables: int) -> FigureGroup:
    figures = [Figure(title, Markup(drawing)) for title, drawing in accuracy_bars(table, prefix)]
    return FigureGroup(title=table.title if tables > 1 else "", figures=figures, legend=[])


def _curve_figures(report: ReportInput, looks: dict[str, Look]) -> list[FigureGroup]:
    return [
        FigureGroup(
            title=group.title,
            figures=[Figure(title, Markup(drawing)) for title, drawing in group.panels],
            legend=[(run, looks[run], False) for run in group.runs],
        )
        for group in curve_groups(report.curves, looks)
    ]


def _projection_figures(report: ReportInput, looks: dict[str, Look]) -> FigureGroup:
    shown = [projection for projection in report.projections if projection.points_N2]
    domains = dict.fromkeys(domain for projection in shown for domain in projection.domain_N)
    # With one picture the legend can say which domain is unseen; with several it differs from picture to picture.
    unseen = shown[0].target if len(shown) == 1 else None
    return FigureGroup(
        title="",
        figures=[
            Figure(
                title=projection.title,
                drawing=Markup(scatter(projection, looks, f"prompts-{index}")),
                note=f"unseen: {projection.target} · {scatter_note(projection)}",
            )
            for index, projection in enumerate(shown)
        ],
        legend=[(domain, looks[domain], domain == unseen) for domain in domains],
    )


def _pictures_by_domain(samples: Iterable[Sample]) -> dict[str, list[Picture]]:
    groups: dict[str, list[Picture]] = {}
    for sample in samples:
        verdicts = [
            Verdict(method_label(method), sample.predictions[method], sample.predictions[method] == sample.truth)
            for method in in_order(sample.predictions)
        ]
        url = "data:image/jpeg;base64," + base64.b64encode(sample.jpeg).decode("ascii")
        alternative = f"{sample.truth}, {sample.domain}"
        groups.setdefault(sample.domain, []).append(Picture(url, sample.truth, alternative, verdicts))
    return groups


def _timings(timings: dict[str, float]) -> list[tuple[str, str, float]]:
    """(phase, duration, share of the longest phase in percent)."""
    longest = max(timings.values(), default=0.0) or 1.0
    return [(phase, duration_text(seconds), 100.0 * seconds / longest) for phase, seconds in timings.items()]
