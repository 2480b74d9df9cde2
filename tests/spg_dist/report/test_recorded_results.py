"""What the documentation shows of recorded results is what the program says of them, under its own names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spg_dist.evaluation.results import read_results
from spg_dist.report import ReportInput
from spg_dist.report.table import result_tables

REPOSITORY = Path(__file__).resolve().parents[3]
RECORDED = sorted((REPOSITORY / "docs" / "results").iterdir())


def rows_of(markdown: str) -> dict[str, dict[str, str]]:
    """First words of each line of the first table of methods → column → cell."""
    lines = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    start = next(index for index, line in enumerate(lines) if line[0].strip().casefold() == "method")
    columns = [cell.strip().casefold() for cell in lines[start]]
    rows = {}
    for line in lines[start + 2 :]:
        if len(line) != len(columns):
            break
        cells = [cell.strip() for cell in line]
        rows[cells[0].partition(":")[0]] = dict(zip(columns[1:], cells[1:], strict=True))
    return rows


def measured(folder: Path, finished: ReportInput) -> dict[str, dict[str, str]]:
    (table,) = result_tables(replace(finished, rows=read_results(folder / "results.csv"), comparable=False))
    columns = [column.casefold() for column in table.columns]
    return {
        line.label: {
            column: f"**{cell.measured_text}**" if cell.best else cell.measured_text
            for column, cell in zip(columns, line.cells, strict=True)
        }
        for line in table.lines
    }


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_a_recorded_summary_is_that_of_its_results(folder: Path, finished: ReportInput) -> None:
    assert rows_of((folder / "summary.md").read_text()) == measured(folder, finished)


def test_the_readmes_demo_is_the_recorded_one(finished: ReportInput) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert rows_of(readme) == measured(REPOSITORY / "docs" / "results" / "demo", finished)


def test_no_page_of_the_documentation_calls_a_method_by_a_former_name() -> None:
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "docs").rglob("*.csv")]
    found = [f"{page.name}: {name}" for page in pages for name in ("Pooled", ",erm,") if name in page.read_text()]
    assert not found
