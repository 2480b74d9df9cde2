"""`report.html`: well formed, self-contained, nothing from a name obeyed, and only the sections that have content."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from spg_dist.evaluation.results import ResultRow
from spg_dist.progress import Costs, PhaseCost
from spg_dist.report import Curve, Projection, ReportInput, Sample, write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}
SECTIONS = ["results", "accuracy", "training", "prompts", "samples", "set-aside", "time", "configuration"]


class Page(HTMLParser):
    """Collects a page's elements; `open_tags` is empty at the end if every element was closed in order."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags, f"</{tag}> closes nothing"
        assert self.open_tags.pop() == tag, f"</{tag}> out of order, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open_tags[-1] if self.open_tags else "", data))

    def sections(self) -> list[str]:
        return [attributes["id"] or "" for tag, attributes in self.elements if tag == "section"]

    def text(self) -> str:
        return " ".join(" ".join(data for tag, data in self.texts if tag != "style").split())


def page_of(report: ReportInput, folder: Path) -> tuple[Page, str]:
    write_report(folder / "report.html", report)
    markup = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(markup)
    assert page.open_tags == []
    return page, markup


@pytest.fixture(scope="module")
def finished_page(finished: ReportInput, tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    """Drawn once for all tests: it takes a second."""
    return page_of(finished, tmp_path_factory.mktemp("page"))


def test_the_page_shows_every_section_and_its_figures(finished_page: tuple[Page, str]) -> None:
    page, _ = finished_page
    assert page.sections() == SECTIONS
    text = page.text()
    for expected in ("93.0 ± 1.0", "paper 97.0 ± 0.5", "truncated file", "12 min 34 s", "root: /data", "source-val"):
        assert expected in text
    # Average and four targets, two series of stage 1, three of stage 2, one projection.
    assert sum(tag == "figure" for tag, _ in page.elements) == 5 + 2 + 3 + 1


def test_nothing_is_loaded_from_outside(finished_page: tuple[Page, str]) -> None:
    page, markup = finished_page
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), f"<{tag} {name}={value[:60]!r}>"
    assert "http" not in markup
    assert "@import" not in markup
    assert set(re.findall(r"url\((.)", markup)) <= {"#"}


def test_ids_are_unique_and_references_arrive(finished_page: tuple[Page, str]) -> None:
    page, markup = finished_page
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, a in page.elements if (value := a.get("href")) and value.startswith("#")}
    assert targets | set(re.findall(r"url\(#([^)]*)\)", markup)) <= set(ids)


def test_every_drawing_and_image_says_what_it_shows(finished_page: tuple[Page, str]) -> None:
    page, markup = finished_page
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
    drawings = [attributes for tag, attributes in page.elements if tag == "svg" and "aria-hidden" not in attributes]
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert all(a.get("role") == "img" and a.get("aria-labelledby") in ids for a in drawings)
    assert "Average: Zero-shot CLIP 90.0; SPG 93.0 ± 1.0; paper" in markup


def test_right_and_wrong_differ_by_more_than_colour(finished_page: tuple[Page, str]) -> None:
    page, _ = finished_page
    signs = [attributes["aria-label"] for _, attributes in page.elements if attributes.get("class") == "sign"]
    assert signs == ["wrong", "right"]
    assert "✗" in page.text()
    assert "✓" in page.text()


def test_hostile_names_are_shown_and_not_obeyed(finished: ReportInput, tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script>&$\\frac{1}{0}$'
    report = replace(
        finished,
        name=hostile,
        rows=[replace(row, target=hostile, method=hostile) if row.target == "photo" else row for row in finished.rows],
        facts={hostile: hostile},
        curves=[replace(curve, run=hostile, method=hostile) for curve in finished.curves[:1]],
        projections=[Projection(hostile, [(0.0, 0.0), (1.0, 1.0)], [hostile, "photo"], (hostile,), (0.5, 0.5))],
        samples=[Sample(hostile, hostile, {hostile: hostile}, b"\xff\xd8")],
        set_aside=[(hostile, hostile)],
        costs=Costs((PhaseCost(hostile, 1.0),)),
        config_yaml=f"name: {hostile}</pre></details><script>",
        selection=hostile,
    )
    page, markup = page_of(report, tmp_path)
    assert "<script" not in markup
    assert page.sections() == SECTIONS
    assert hostile in page.text()


@pytest.mark.parametrize(
    ("field", "section"),
    [
        ("curves", "training"),
        ("projections", "prompts"),
        ("samples", "samples"),
        ("set_aside", "set-aside"),
        ("costs", "time"),
        ("config_yaml", "configuration"),
    ],
)
def test_a_section_without_content_is_left_out(finished: ReportInput, tmp_path: Path, field: str, section: str) -> None:
    empty = type(getattr(finished, field))()
    page, markup = page_of(replace(finished, **{field: empty}), tmp_path)
    assert page.sections() == [name for name in SECTIONS if name != section]
    assert f'"#{section}"' not in markup


def test_a_report_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    nothing = ReportInput("empty", [], {}, [], [], [], [], Costs(), "", "source-val", False, False)
    page, _ = page_of(nothing, tmp_path)
    assert page.sections() == []
    assert "No results yet." in page.text()


def test_random_weights_are_warned_of_at_the_top(finished: ReportInput, tmp_path: Path) -> None:
    page, _ = page_of(replace(finished, random_weights=True), tmp_path)
    text = page.text()
    assert text.index("mean nothing for the paper") < text.index("SPG is best")
    assert "paper 9" not in text


def test_one_target_and_one_seed_have_no_average_panel_and_no_deviation(finished: ReportInput, tmp_path: Path) -> None:
    rows = [row for row in finished.rows if row.target == "sketch" and row.seed in (None, 1)]
    page, _ = page_of(replace(finished, rows=rows, curves=[], projections=[], comparable=False), tmp_path)
    assert sum(tag == "figure" for tag, _ in page.elements) == 1
    assert "on sketch, never seen in training" in page.text()
    assert "±" not in page.text()
    assert "Average" not in page.text()
    assert "from one seed" in page.text()


def test_a_legend_says_what_its_names_are(finished_page: tuple[Page, str]) -> None:
    """Stage 1 goes by the domain that was learned, stage 2 by the one that was left out."""
    text = finished_page[0].text()
    assert "Target left out: art_painting cartoon photo sketch" in text
    assert "Lines by: target left out; at the last epoch: art_painting 0.5" in text


def test_a_curve_of_one_epoch_has_that_epoch_on_its_axis_and_no_part_of_one(
    finished: ReportInput, tmp_path: Path
) -> None:
    for length, ticks in ((1, ["1"]), (2, ["1", "2"]), (50, ["1", "10", "20", "30", "40", "50"])):
        curve = Curve("prompt-label", "photo", 1, {"val_accuracy": [0.5 + 100.0 / (i + 2) for i in range(length)]})
        _, markup = page_of(replace(finished, rows=[], projections=[], curves=[curve]), tmp_path)
        axis = markup[markup.index("matplotlib.axis_1") : markup.index("matplotlib.axis_2")]
        assert re.findall(r"<text[^>]*>([^<]*)</text>", axis) == [*ticks, "epoch"]


def test_each_figure_of_a_table_carries_its_column_for_a_phone(finished_page: tuple[Page, str]) -> None:
    """A phone shows each line as a block, without the table's head."""
    page, _ = finished_page
    columns = [attributes["data-column"] for tag, attributes in page.elements if tag == "td" and attributes.get("role")]
    assert columns == ["art_painting", "cartoon", "photo", "sketch", "Average"] * 2


def test_the_title_tells_the_run_and_its_data(finished_page: tuple[Page, str]) -> None:
    _, markup = finished_page
    assert "<title>example: SPG, PACS, multi-source, ViT-B-16</title>" in markup


def test_warnings_stand_before_the_figures_and_remarks_under_them(finished: ReportInput, tmp_path: Path) -> None:
    text = page_of(replace(finished, warnings=["Beware of it."], remarks=["One was left out."]), tmp_path)[0].text()
    assert text.index("Beware of it.") < text.index("SPG is best") < text.index("93.0 ± 1.0")
    assert text.index("93.0 ± 1.0") < text.index("One was left out.")


def test_single_source_shows_spg_by_source_too(finished: ReportInput, tmp_path: Path) -> None:
    rows = [
        replace(row, protocol="single-source", source=source, accuracy=row.accuracy + len(source) / 10)
        for row in finished.rows
        for source in ("photo", "art_painting")
        if source != row.target
    ]
    text = page_of(replace(finished, rows=rows), tmp_path)[0].text()
    assert "SPG by source Trained on art_painting cartoon photo sketch Average" in text
    assert "art_painting – 94.2 ± 1.0 94.2 ± 1.0 94.2 ± 1.0 94.2 ± 1.0 photo 93.5 ± 1.0 93.5 ± 1.0 –" in text


def test_curves_survive_what_training_can_do_to_them(finished: ReportInput, tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    curves = [
        Curve("spg", "photo", 1, {"g_loss": [nan, nan], "d_loss": [inf, 1.0, 2.0], "val_accuracy": []}),
        Curve("spg", "photo", 2, {"d_loss": [5.0]}),
        Curve("coop", "photo", 1, {"loss": [0.5, 0.5, 0.5]}),
        Curve("coop", "sketch", 1, {"loss": [1e-4, 1.0, 1e4]}),
        Curve("dpl", "photo", 1, {"loss": [nan]}),
    ]
    page, _ = page_of(replace(finished, rows=[], projections=[], curves=curves), tmp_path)
    # Discriminator loss of SPG and the loss of CoOp; what has no finite value has no panel.
    assert sum(tag == "figure" for tag, _ in page.elements) == 2


def test_a_loss_over_many_decades_has_plain_numbers_on_its_axis(finished: ReportInput, tmp_path: Path) -> None:
    falling = Curve("spg", "photo", 1, {"d_loss": [10.0 / 10**epoch for epoch in range(5)]})
    write_report(tmp_path / "r.html", replace(finished, curves=[falling]))
    page = (tmp_path / "r.html").read_text()
    assert "mathdefault" not in page
    assert ">0.001<" in page


def test_curves_without_a_finite_value_leave_no_empty_section(finished: ReportInput, tmp_path: Path) -> None:
    curves = [Curve("spg", "photo", 1, {"g_loss": [float("nan")]}), Curve("spg", "photo", 2, {})]
    page, _ = page_of(replace(finished, curves=curves), tmp_path)
    assert "training" not in page.sections()


def test_many_domains_and_methods_fit_and_a_large_projection_is_thinned(tmp_path: Path) -> None:
    domains = [f"domain {index}" for index in range(9)]
    methods = ["zero-shot", "zero-shot-ensemble", "linear-probe", "coop", "cocoop", "dpl", "mine", "other", "spg"]
    rows = [
        ResultRow("Big", "multi-source", "rest", domain, method, 1, "RN50", 50.0, 10, 1.0, None, "")
        for domain in domains
        for method in methods
    ]
    points = [(float(index), float(index)) for index in range(9000)]
    projection = Projection("Prompts", points, [domains[index % 9] for index in range(9000)], (domains[0],), (0.9, 0.1))
    report = ReportInput("big", rows, {}, [], [projection], [], [], Costs(), "", "source-val", False, True)
    page, markup = page_of(report, tmp_path)
    assert "one in 10 of 9000 prompts" in page.text()
    assert len(markup) < 1_500_000


def test_equal_input_gives_equal_bytes(finished: ReportInput, tmp_path: Path) -> None:
    assert page_of(finished, tmp_path)[1] == page_of(finished, tmp_path)[1]


def test_a_projection_with_a_domain_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="2 points but 1 domains"):
        Projection("p", [(0.0, 0.0), (1.0, 1.0)], ["photo"], ("photo",), (0.5, 0.5))
