"""`summary.md` and the console's table: the head, the figures, the paper's beside them, names that cannot break out."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from spg_dist.evaluation.results import UNLIKE_THE_PAPER
from spg_dist.progress import Costs
from spg_dist.report import ReportInput, render_table, write_summary

RANDOM = "mean nothing for the paper"


def summary_of(report: ReportInput, folder: Path) -> str:
    write_summary(folder / "summary.md", report)
    return (folder / "summary.md").read_text(encoding="utf-8")


def console_of(report: ReportInput) -> str:
    text = io.StringIO()
    Console(file=text, width=160, force_terminal=False).print(render_table(report))
    return text.getvalue()


def cells_of(markdown: str, method: str) -> list[str]:
    (line,) = [line for line in markdown.splitlines() if line.startswith(f"| {method}")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_table_shows_mean_deviation_and_the_papers_figure(finished: ReportInput, tmp_path: Path) -> None:
    markdown = summary_of(finished, tmp_path)
    assert cells_of(markdown, "SPG") == [
        "SPG",
        "**93.0 ± 1.0** (paper 97.7)",
        "**93.0 ± 1.0** (paper 99.0)",
        "**93.0 ± 1.0** (paper 99.9)",
        "**93.0 ± 1.0** (paper 91.3)",
        "**93.0 ± 1.0** (paper 97.0 ± 0.5)",
    ]
    assert cells_of(markdown, "Zero-shot CLIP")[1:] == ["90.0", "90.0", "90.0", "90.0", "90.0 (paper 96.1)"]
    assert "arXiv 2404.19286, table 1" in markdown
    assert "3.0 points above zero-shot CLIP" in markdown


def test_the_head_names_what_the_figures_stand_on(finished: ReportInput, tmp_path: Path) -> None:
    lines = summary_of(finished, tmp_path).splitlines()
    for line in (
        "- Data set: PACS",
        "- Protocol: multi-source",
        "- Backbone: ViT-B-16",
        "- Weights: openai",
        "- Selection rule: source-val",
        "- Seeds: 1, 2, 3",
        "- Images set aside: 1",
        "- Views: 8 augmented + plain",
        "- Noise: one draw",
        "- Machine: 2 cores",
    ):
        assert lines.count(line) == 1, line


def test_a_fact_that_nobody_stated_is_said_to_be_missing(finished: ReportInput, tmp_path: Path) -> None:
    markdown = summary_of(replace(finished, facts={}), tmp_path)
    assert "- Views: not stated" in markdown
    assert "- Noise: not stated" in markdown


def test_random_weights_are_warned_of_and_never_compared(finished: ReportInput, tmp_path: Path) -> None:
    report = replace(finished, random_weights=True, facts={})
    markdown = summary_of(report, tmp_path)
    assert any(line.startswith("**") and RANDOM in line and line.endswith("**") for line in markdown.splitlines())
    assert "- Weights: random" in markdown
    assert "(paper" not in markdown
    assert RANDOM in console_of(report)
    assert RANDOM not in summary_of(finished, tmp_path)


def test_the_paper_is_not_shown_beside_an_experiment_that_is_not_comparable(
    finished: ReportInput, tmp_path: Path
) -> None:
    assert "(paper" not in summary_of(replace(finished, comparable=False), tmp_path)


def test_the_papers_figure_keeps_away_from_a_method_that_is_not_quite_the_papers(
    finished: ReportInput, tmp_path: Path
) -> None:
    zero_shot = [row for row in finished.rows if row.method == "zero-shot"]
    rows = [*finished.rows, *(replace(row, method="coop", seed=1) for row in zero_shot)]
    assert cells_of(summary_of(replace(finished, rows=rows), tmp_path), "CoOp")[-1] == "90.0 (paper 96.4 ± 0.3)"
    note = f"4 context tokens ({UNLIKE_THE_PAPER} CoOp with 16)"
    rows = [replace(row, note=note) if row.method == "coop" else row for row in rows]
    markdown = summary_of(replace(finished, rows=rows), tmp_path)
    assert cells_of(markdown, "CoOp")[1:] == ["90.0"] * 5
    assert markdown.count(f"- CoOp: {note}") == 1
    assert "(paper 96.1)" in cells_of(markdown, "Zero-shot CLIP")[-1], "the other methods keep theirs"


def test_an_average_over_some_of_the_targets_stands_without_the_papers(finished: ReportInput, tmp_path: Path) -> None:
    some = replace(finished, rows=[row for row in finished.rows if row.target != "photo"])
    assert cells_of(summary_of(some, tmp_path), "SPG")[-1] == "**93.0 ± 1.0**"


def test_names_cannot_break_the_markdown_table(finished: ReportInput, tmp_path: Path) -> None:
    rows = [replace(row, target="a|b\n<i>") if row.target == "photo" else row for row in finished.rows]
    markdown = summary_of(replace(finished, rows=rows), tmp_path)
    assert r"a\|b \<i>" in markdown
    pipes = [line.replace(r"\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")]
    assert set(pipes) == {7}


def test_notes_of_results_stand_under_the_table_once(finished: ReportInput, tmp_path: Path) -> None:
    rows = [replace(row, note="oracle selection") if row.method == "spg" else row for row in finished.rows]
    assert summary_of(replace(finished, rows=rows), tmp_path).count("SPG: oracle selection") == 1


def test_what_the_deviation_is_stands_only_where_there_is_one(finished: ReportInput, tmp_path: Path) -> None:
    several = "± is the sample standard deviation over 3 seeds"
    assert several in summary_of(finished, tmp_path)
    one = replace(finished, rows=[row for row in finished.rows if row.seed in (None, 1)], comparable=False)
    assert "±" not in summary_of(one, tmp_path)
    assert "from one seed" in summary_of(one, tmp_path)
    assert "±" not in console_of(one)


def test_warnings_come_first_and_remarks_under_the_table(finished: ReportInput, tmp_path: Path) -> None:
    report = replace(finished, warnings=["Beware of it."], remarks=["One was left out."])
    for text in (summary_of(report, tmp_path), console_of(report)):
        assert text.index("Beware of it.") < text.index("SPG is best") < text.index("One was left out.")


def test_the_console_shows_the_same_table_as_plain_text(finished: ReportInput) -> None:
    text = console_of(finished)
    assert "\x1b" not in text
    assert "93.0 ± 1.0 *" in text
    assert "paper 97.0 ± 0.5" in text
    assert "source-val" in text


def test_the_console_prints_markup_in_names_and_does_not_obey_it(finished: ReportInput) -> None:
    rows = [replace(row, target="[red]x[/red]") if row.target == "photo" else row for row in finished.rows]
    assert "[red]x[/red]" in console_of(replace(finished, rows=rows, name="[bold]run"))
    assert "[bold]run" in console_of(replace(finished, rows=rows, name="[bold]run"))


def test_a_run_without_results_still_has_a_summary(finished: ReportInput, tmp_path: Path) -> None:
    empty = replace(finished, rows=[], set_aside=[], costs=Costs())
    assert "No results yet." in summary_of(empty, tmp_path)
    assert "No results yet." in console_of(empty)
