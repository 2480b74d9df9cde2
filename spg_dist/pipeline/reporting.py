"""From tested runs to what people read: results.csv, summary.md, report.html, the table in the log."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spg_dist.config import Config, dump_config
from spg_dist.encode.job import EncodeSummary
from spg_dist.evaluation.results import ResultRow, ResultsError, read_results, write_results
from spg_dist.material import Material
from spg_dist.methods import METHODS, Method
from spg_dist.pipeline.report_facts import (
    SELECTION_RULES,
    is_the_papers_setting,
    remarks_of_run,
    run_facts,
    unlike_the_paper,
    warnings_of_run,
)
from spg_dist.pipeline.report_figures import curves_of_run, projections_of_run, samples_of_run
from spg_dist.pipeline.testing import EvaluatedRun
from spg_dist.pipeline.warm_up import warm_up_remark
from spg_dist.progress import Costs, Display
from spg_dist.report import ReportInput, render_table, write_report, write_summary


def report_run(
    config: Config,
    material: Material,
    tested: list[EvaluatedRun],
    summary: EncodeSummary,
    costs: Costs,
    display: Display,
) -> None:
    """Write all that a run's folder shows, and print its table.

    The results are those of this configuration: rows of an earlier one with more methods, seeds or targets leave
    `results.csv`, and the log says which.
    """
    folder = material.folder
    tested = _in_order_of_targets(material, tested)
    rows = [_row(config, material, run) for run in tested]
    dropped = _dropped_in_words(folder.results, rows)
    write_results(folder.results, rows)
    contents = ReportInput(
        name=config.name,
        rows=rows,
        facts=run_facts(material, summary, costs.of("encode"), tested),
        curves=curves_of_run(material),
        projections=projections_of_run(config, material, tested),
        samples=samples_of_run(material, tested),
        set_aside=sorted(summary.set_aside.items()),
        costs=costs,
        config_yaml=dump_config(config),
        selection=SELECTION_RULES[config.selection],
        random_weights=material.clip.random_weights,
        comparable=is_the_papers_setting(material),
        warnings=warnings_of_run(material),
        remarks=remarks_of_run(config, costs),
    )
    write_summary(folder.summary, contents)
    write_report(folder.report, contents)
    display.show(render_table(contents))
    if dropped:
        display.say(dropped)
    for path in (folder.results, folder.summary, folder.report):
        display.say(f"{path.name}: {path}")


def _in_order_of_targets(material: Material, tested: list[EvaluatedRun]) -> list[EvaluatedRun]:
    """Domains in the data set's order, whatever the order of the runs; other data sets as they were configured."""
    position = {name: index for index, name in enumerate(material.manifest.domains)}
    if material.protocol.is_across:
        return tested
    return sorted(tested, key=lambda run: position[run.spec.target])


def _row(config: Config, material: Material, run: EvaluatedRun) -> ResultRow:
    manifest, spec = material.manifest, run.spec.run
    sources = material.protocol.sources(manifest, spec.where)
    return ResultRow(
        dataset=manifest.dataset,
        protocol=spec.protocol,
        source=manifest.dataset if material.protocol.is_across else "+".join(sources),
        target=run.spec.target,
        method=spec.method,
        seed=spec.seed,
        backbone=material.core.clip.model + (" (random weights)" if material.clip.random_weights else ""),
        accuracy=run.accuracy,
        n=run.n,
        seconds=run.seconds + run.train_seconds,
        val_accuracy=run.val_accuracy,
        note=_note(config, METHODS[spec.method]),
        noise_std=run.noise_std,
        trained_on=run.trained_on,
    )


def _note(config: Config, method: Method[Any]) -> str:
    """What sets a row apart from its neighbours in the same table."""
    oracle = "oracle: selected on the target's val split" if config.selection == "oracle" and method.trains else ""
    said = (oracle, method.remark, warm_up_remark(config, method), unlike_the_paper(config, method))
    return "; ".join(filter(None, said))


def _dropped_in_words(path: Path, rows: list[ResultRow]) -> str:
    """What of an earlier `results.csv` the new rows do not hold; empty where nothing is lost."""
    if not path.exists():
        return ""
    try:
        earlier = read_results(path)
    except ResultsError as error:
        return f"{path.name}: written anew, for the earlier one could not be read: {error}"
    kept = {row.key for row in rows}
    lost = [row for row in earlier if row.key not in kept]
    if not lost:
        return ""
    gone = [
        f"{field} {names}" for field in ("method", "seed", "source", "target") if (names := _gone(field, lost, rows))
    ]
    which = f" ({'; '.join(gone)})" if gone else ""
    return (
        f"{path.name}: {len(lost)} rows of an earlier configuration of this folder left it{which}. "
        "What they trained stays: ask for them again, and only the test is repeated"
    )


def _gone(field: str, lost: Iterable[ResultRow], kept: Iterable[ResultRow]) -> str:
    """Values of a column that no row has any more."""
    before, after = ({getattr(row, field) for row in rows} for rows in (lost, kept))
    return ", ".join(sorted(str(value) for value in before - after - {None}))
