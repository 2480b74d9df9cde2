"""The frame and the plots serve pages of other rooms: templates that extend the shell, drawings of any figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from spg_dist.report.bars import Bar, bar_plot
from spg_dist.report.lines import Line, line_plot
from spg_dist.report.naming import BLUE, Look
from spg_dist.report.scatter import PointGroup, scatter_plot
from spg_dist.report.shell import Figure, FigureGroup, Legend, Number, Shell, page_html

LOOK = Look(BLUE, "o", ())
SHELL = Shell(
    title="a sweep",
    kicker="sweep report",
    heading="gan <sweep>",
    warnings=["Stopped early."],
    lead="Trial 7 is best.",
    numbers=[Number("Trials", "20", "3 failed")],
    facts={"Search": "TPE"},
    sections={"history": "History"},
)
TEMPLATE = """{% extends "shell.html.j2" %}
{% import "pieces.html.j2" as pieces %}
{% block main %}<section id="history">{{ pieces.legend_list(group.legend, true) }}
{{ pieces.figures(group, "") }}</section>
{% endblock %}"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another package with a template of its own."""
    folder = tmp_path / "package_with_a_page"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "sweep.html.j2").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder.name


def test_a_template_of_another_package_extends_the_shell(package: str) -> None:
    drawing = line_plot([Line("best so far", LOOK, [[1.0, 2.0]])], "history-0", "Best so far by trial", steps="trial")
    group = FigureGroup(
        "", [Figure("Best so far", Markup(drawing), "higher is better")], Legend("Search", {"TPE": LOOK})
    )
    page = page_html("sweep.html.j2", SHELL, package, group=group)
    for expected in (
        "<title>a sweep</title>",
        "gan &lt;sweep&gt;",
        "Stopped early.",
        '<a href="#history">History</a>',
        "<span>Search:</span>",
        "higher is better",
        "Best so far by trial; at the last trial: best so far 2.",
        "--surface",
    ):
        assert expected in page


def test_what_a_template_shows_and_nobody_gives_is_an_error(package: str) -> None:
    with pytest.raises(UndefinedError, match="group"):
        page_html("sweep.html.j2", SHELL, package)


def test_colours_of_drawings_follow_the_page_and_words_do_not() -> None:
    drawing = bar_plot([Bar(BLUE, "0.4", 0.4, BLUE)], "importance", "Importance of one", end=1.0, unit="")
    assert "fill: var(--blue)" in drawing
    assert f">{BLUE}</text>" in drawing
    assert ">0.5</text>" in drawing and ">1</text>" in drawing


def test_points_have_numbered_axes_where_these_mean_something() -> None:
    groups = [PointGroup("trials", LOOK, [(0.0, 50.0), (10.0, 60.0)])]
    drawn = {
        ticks: scatter_plot(groups, "slice", "Accuracy by rate.", ("rate", "accuracy"), ticks=ticks)
        for ticks in (True, False)
    }
    assert ">60</text>" in drawn[True] and ">60</text>" not in drawn[False]
    assert "Accuracy by rate. Points: trials 2. rate; accuracy." in drawn[True]
