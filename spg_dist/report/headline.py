"""A report in words: what was run, under which rule, what came out, and what stands under the tables."""

from __future__ import annotations

from collections.abc import Callable

from spg_dist.protocols import PROTOCOLS
from spg_dist.report.contents import ReportInput
from spg_dist.report.naming import canonical
from spg_dist.report.standing import standing_in_words
from spg_dist.report.table import ResultTable

RANDOM_WEIGHTS_WARNING = (
    "The backbone's weights are random: these figures show that the pipeline runs and mean nothing for the paper."
)


HIGHEST = "highest of the column, which is no verdict between methods that are level."
"""What the mark of a figure in a table means."""


def headline(tables: list[ResultTable]) -> str:
    """The first table in a few words."""
    if not tables:
        return "No results yet."
    one_seed = " One seed: the spread is not known, so the order may be chance." if len(tables[0].seeds) == 1 else ""
    return standing_in_words(tables[0]) + one_seed


def warnings_of(report: ReportInput) -> list[str]:
    """What must be read before any figure."""
    return [RANDOM_WEIGHTS_WARNING] * report.random_weights + report.warnings


def table_notes(table: ResultTable, report: ReportInput) -> list[str]:
    """What stands under a table of methods, a sentence each."""
    notes = [_deviation_note(len(table.seeds))]
    if PROTOCOLS[table.protocol].has_one_source and len(table.targets) > 1:
        notes.append("Each column is a target: the mean over the models trained on one of the other domains alone.")
    if table.citation:
        notes.append(f"Figures of the paper are mean ± standard error over 3 trials, as printed: {table.citation}.")
    return [*notes, *table.notes, *report.remarks]


def _deviation_note(seeds: int) -> str:
    if seeds > 1:
        return (
            f"Accuracy in percent; ± is the sample standard deviation over {seeds} seeds (of an average: of the seeds' "
            "averages). Two methods are level where their difference is no larger than its own standard deviation."
        )
    if seeds == 1:
        return "Accuracy in percent, from one seed: how much the figures vary from seed to seed is not known."
    return "Accuracy in percent; nothing here draws at random."


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


def _distinct(report: ReportInput, part: Callable[[tuple[str, str, str]], str]) -> str:
    return ", ".join(dict.fromkeys(part((row.dataset, row.protocol, row.backbone)) for row in report.rows)) or "none"
