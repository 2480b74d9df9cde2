"""The page of a sweep: what tuning gained, how it was found, and what mattered."""

from __future__ import annotations

import math
from pathlib import Path

from markupsafe import Markup

from cache.durable import write_text
from spg_dist.evaluation.results import Spread
from spg_dist.report.bars import Bar, bar_plot
from spg_dist.report.naming import BLUE, ORANGE
from spg_dist.report.scatter import PointGroup, scatter_plot
from spg_dist.report.shell import Figure, FigureGroup, Legend, Number, Shell, page_html
from spg_dist.report.table import percent_text
from tuning.report.contents import TOP_SHARE, SweepReport
from tuning.report.figures import (
    BEST,
    COMPLETED,
    DEFAULTS,
    history_plot,
    legend_looks,
    parallel_plot,
    short,
    shown_rows,
    slice_plot,
)
from tuning.spaces import short_names

SECTIONS = {
    "gain": "Gain",
    "history": "History",
    "importances": "Importances",
    "front": "Accuracy and cost",
    "parallel": "All dimensions",
    "slices": "Slices",
    "trials": "Trials",
    "configuration": "Configuration",
}


def write_sweep_report(path: Path, report: SweepReport) -> None:
    """Replace the file `path` by the page of `report`: one file, no scripts, nothing loaded from elsewhere."""
    write_text(path, sweep_html(report))


def sweep_html(report: SweepReport) -> str:
    """The whole page. A section without content is left out, and so is its entry in the table of contents."""
    importances, front = _importances(report), _front(report)
    left_out = {name for name, shown in {"importances": importances, "front": front}.items() if not shown}
    return page_html(
        "sweep.html.j2",
        _shell(report, {name: title for name, title in SECTIONS.items() if name not in left_out}),
        package="tuning.report",
        report=report,
        tested=_tested(report),
        history=Markup(history_plot(report, "history")),
        legend=Legend("", legend_looks(report, shown_rows(report))),
        importances=importances,
        top_share=f"{100 * TOP_SHARE:.0f} %",
        front=front,
        parallel=Markup(parallel_plot(report, "parallel")),
        parallel_rem=max(34, round(4.2 * (len(report.dimensions) + 1))),
        parallel_legend=Legend("", {"best trial": BEST, "defaults (trial 0)": DEFAULTS, "best quarter": COMPLETED}),
        slices=_slices(report),
        failed=[row for row in report.rows if row.reason],
        columns=short_names(report.dimensions),
        short=short,
    )


def _shell(report: SweepReport, sections: dict[str, str]) -> Shell:
    return Shell(
        title=f"{report.name}: sweep of {len(report.rows)} trials",
        kicker="sweep report",
        heading=report.name,
        warnings=report.warnings,
        lead=_lead(report),
        numbers=_numbers(report),
        facts=report.facts,
        sections=sections,
    )


def _slices(report: SweepReport) -> FigureGroup:
    figures = [
        Figure(dimension.name, Markup(slice_plot(report, dimension, f"slice-{number}")))
        for number, dimension in enumerate(report.dimensions)
    ]
    return FigureGroup("", figures)


def _lead(report: SweepReport) -> str:
    best, defaults = report.row(report.best).val_accuracy, report.row(0).val_accuracy
    seeds = report.best_tested.average.count
    over = f" over {seeds} seeds" if seeds > 1 else ", one seed"
    if report.defaults_tested is None:
        return (
            f"The given configuration itself failed ({report.row(0).reason}), so nothing is compared with it. Trial "
            f"{report.best} reaches {best:.2f} % on the sources' val split, and {_percent(report.best_tested.average)} "
            f"on targets that no trial has seen{over}."
        )
    if report.best == 0 or best is None:
        found = _percent(report.defaults_tested.average)
        return (
            f"No trial is better than the defaults on the sources' val split; on targets that no trial has seen they "
            f"reach {found}{over}."
        )
    level = ": no clear difference" if _is_level(report.best_tested.average, report.defaults_tested.average) else ""
    gain = "" if defaults is None else f", {best - defaults:.2f} points above the defaults"
    return (
        f"Trial {report.best} reaches {best:.2f} % on the sources' val split{gain}. On targets that no trial has seen "
        f"it reaches {_percent(report.best_tested.average)} against {_percent(report.defaults_tested.average)} of the "
        f"defaults{over}{level}."
    )


def _numbers(report: SweepReport) -> list[Number]:
    best, defaults = report.row(report.best).val_accuracy, report.row(0).val_accuracy
    tested = report.best_tested.average
    numbers = []
    if best is not None:
        against = "" if defaults is None else f"defaults {defaults:.2f} %"
        numbers.append(Number("Best val accuracy", f"{best:.2f} %", f"trial {report.best}; {against}"))
    remark = f"± {tested.std:.1f} over {tested.count} seeds" if tested.std is not None else "one seed"
    numbers.append(Number("Best, on unseen targets", f"{tested.mean:.1f} %", remark))
    if report.defaults_tested is None:
        return numbers
    before = report.defaults_tested.average
    remark = f"± {before.std:.1f} over {before.count} seeds" if before.std is not None else "one seed"
    numbers.append(Number("Defaults, on unseen targets", f"{before.mean:.1f} %", remark))
    gain = round(tested.mean, 1) - round(before.mean, 1)
    sign = "+" if gain > 0 else "−" if gain < 0 else "±"
    remark = "points, within the spread" if _is_level(tested, before) else "points of accuracy"
    numbers.append(Number("Tuning gained", f"{sign}{abs(gain):.1f}", remark))
    return numbers


def _is_level(best: Spread, defaults: Spread) -> bool:
    """As in a run's report: the difference, as printed, is no larger than its own standard deviation over seeds."""
    deviation = math.hypot(best.std or 0.0, defaults.std or 0.0)
    return abs(round(best.mean, 1) - round(defaults.mean, 1)) <= round(deviation, 1) + 1e-9


def _percent(value: Spread) -> str:
    return f"{percent_text(value.mean, value.std)} %".replace(" ", "\N{NO-BREAK SPACE}")


def _tested(report: SweepReport) -> FigureGroup:
    """Defaults and best side by side, the average first."""
    configurations = {"defaults": report.defaults_tested, "best": report.best_tested}
    tested = {label: one for label, one in configurations.items() if one}
    columns = {"average": {label: one.average for label, one in tested.items()}}
    columns |= {
        target: {label: one.by_target[target] for label, one in tested.items()}
        for target in report.best_tested.by_target
    }
    if len(columns) == 2:
        del columns["average"]
    colours, figures = {"defaults": ORANGE, "best": BLUE}, []
    for number, (title, column) in enumerate(columns.items()):
        bars = [
            Bar(label, percent_text(found.mean, found.std), found.mean, colours[label], found.std, bold=label == "best")
            for label, found in column.items()
        ]
        said = f"Accuracy in percent, {title}: {', '.join(f'{bar.label} {bar.text}' for bar in bars)}."
        figures.append(Figure(title, Markup(bar_plot(bars, f"tested-{number}", said))))
    return FigureGroup("", figures)


def _importances(report: SweepReport) -> Markup | None:
    if not report.importances:
        return None
    names = short_names(report.dimensions)
    bars = [
        Bar(names[name], f"{100 * share:.0f} %", 100 * share, BLUE, bold=share >= 0.25)
        for name, share in report.importances.items()
    ]
    said = ", ".join(f"{name} {share:.0%}" for name, share in report.importances.items())
    return Markup(bar_plot(bars, "importances", f"Shares of importance: {said}."))


def _front(report: SweepReport) -> FigureGroup | None:
    """Accuracy against cost, for a search with both as objectives."""
    if not report.front:
        return None
    looks = {"others": COMPLETED, "on the front": BEST, "defaults": DEFAULTS}
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in looks}
    for row in report.rows:
        if row.completed and row.val_accuracy is not None and row.cost_seconds is not None:
            kind = "defaults" if row.number == 0 else "on the front" if row.number in report.front else "others"
            points[kind].append((row.cost_seconds, row.val_accuracy))
    groups = [PointGroup(kind, looks[kind], found, kind != "others") for kind, found in points.items() if found]
    drawing = scatter_plot(groups, "front", "Accuracy against cost.", ("seconds of training", "val accuracy, %"))
    legend = Legend("", {group.label: group.look for group in groups})
    return FigureGroup("", [Figure("Completed trials", Markup(drawing))], legend)
