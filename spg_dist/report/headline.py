"""The head of a report: what was run, under which rule, and what came out, in words."""

from __future__ import annotations

from collections.abc import Callable

from spg_dist.report.contents import ReportInput
from spg_dist.report.naming import canonical, is_spg, is_zero_shot
from spg_dist.report.table import Line, ResultTable

RANDOM_WEIGHTS_WARNING = (
    "The backbone's weights are random: these figures show that the pipeline runs and mean nothing for the paper."
)
DEVIATION_NOTE = (
    "Accuracy in percent, mean ± sample standard deviation over seeds; each average is taken within a seed first."
)
PAPER_NOTE = "Figures of the paper are mean ± standard error over 3 trials, as printed."


def head_facts(report: ReportInput) -> dict[str, str]:
    """Label → text: data set, backbone, weights, selection rule, seeds, images set aside, views, noise, then the rest.

    A fact given in the input under one of these labels replaces what would be computed from the rows.
    """
    given = {canonical(label): text for label, text in report.facts.items()}
    weights = "random" if report.random_weights else "not stated"
    computed: dict[str, str] = {
        "Data set": _distinct(report, lambda table_row: table_row[0]),
        "Protocol": _distinct(report, lambda table_row: table_row[1]),
        "Backbone": _distinct(report, lambda table_row: table_row[2]),
        "Weights": weights,
        "Selection rule": report.selection,
        "Seeds": ", ".join(map(str, sorted({row.seed for row in report.rows if row.seed is not None}))) or "none",
        "Images set aside": str(len(report.set_aside)),
        "Views": "not stated",
        "Noise": "not stated",
    }
    aliases = {"data-set": "dataset", "selection-rule": "selection"}
    facts: dict[str, str] = {}
    for label, text in computed.items():
        key = canonical(label)
        facts[label] = given.pop(key, given.pop(aliases.get(key, key), text))
    rest = {label: text for label, text in report.facts.items() if canonical(label) in given}
    return facts | rest


def headline(report: ReportInput, tables: list[ResultTable]) -> str:
    """One sentence: SPG's average and how it stands to zero-shot CLIP, gain or loss alike."""
    if not tables:
        return "No results yet."
    table = tables[0]
    spg, zero_shot = find_line(table, is_spg), find_line(table, is_zero_shot)
    domains = _count(len(table.targets), "data set" if table.protocol == "cross-dataset" else "domain")
    where = (
        f"over {domains} never seen in training"
        if len(table.targets) > 1
        else f"on {table.targets[0]}, never seen in training"
    )
    if spg is None or spg.average.measured is None:
        best = max(
            (line for line in table.lines if line.average.measured is not None),
            key=lambda line: line.average.measured.mean if line.average.measured else 0.0,
            default=None,
        )
        if best is None:
            return f"{len(report.rows)} results on {table.dataset}; no method has every target yet."
        return f"{best.label} reaches {best.average.measured_text} % {where}."
    sentence = f"SPG reaches {spg.average.measured_text} % {where}"
    difference = difference_to_zero_shot(table)
    if zero_shot is None or difference is None:
        return sentence + "."
    if abs(difference) < 0.05:
        return f"{sentence}, the same as zero-shot CLIP."
    return f"{sentence}, {abs(difference):.1f} points {'above' if difference > 0 else 'below'} zero-shot CLIP."


def difference_to_zero_shot(table: ResultTable) -> float | None:
    """SPG's average less zero-shot CLIP's, in points, from the means as printed; None where either is missing."""
    spg, zero_shot = find_line(table, is_spg), find_line(table, is_zero_shot)
    if spg is None or zero_shot is None or spg.average.measured is None or zero_shot.average.measured is None:
        return None
    return round(spg.average.measured.mean, 1) - round(zero_shot.average.measured.mean, 1)


def find_line(table: ResultTable, belongs: Callable[[str], bool]) -> Line | None:
    return next((line for line in table.lines if belongs(line.method)), None)


def duration_text(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{minutes} min {rest:02d} s" if hours == 0 else f"{hours} h {minutes_left:02d} min"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _distinct(report: ReportInput, part: Callable[[tuple[str, str, str]], str]) -> str:
    return ", ".join(dict.fromkeys(part((row.dataset, row.protocol, row.backbone)) for row in report.rows)) or "none"
