"""The results table: means worked out by hand, and a file that reads back to the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spg_dist.evaluation.results import ResultRow, ResultsError, Spread, aggregate, read_results, write_results

REPOSITORY = Path(__file__).resolve().parents[3]


def row(method: str, target: str, seed: int | None, accuracy: float, source: str = "others") -> ResultRow:
    return ResultRow(
        dataset="PACS",
        protocol="multi-source",
        source=source,
        target=target,
        method=method,
        seed=seed,
        backbone="RN50",
        accuracy=accuracy,
        n=100,
        seconds=1.5,
        val_accuracy=None if seed is None else 91.25,
        note="",
    )


RECORDED = [
    row("zero-shot", "art", None, 90.0),
    row("zero-shot", "sketch", None, 80.0),
    row("spg", "art", 1, 92.0),
    row("spg", "sketch", 1, 80.0),
    row("spg", "art", 2, 94.0),
    row("spg", "sketch", 2, 86.0),
    row("spg", "art", 3, 96.0),
    row("spg", "sketch", 3, 86.0),
]


def test_means_and_sample_deviations_equal_the_hand_computed_ones() -> None:
    zero_shot, spg = aggregate(RECORDED)
    assert zero_shot.by_target == {"art": Spread(90.0, None, 1), "sketch": Spread(80.0, None, 1)}
    assert zero_shot.average == Spread(85.0, None, 1)
    # art 92, 94, 96: mean 94, deviations -2, 0, 2, variance 8 / 2 = 4.
    assert spg.by_target["art"] == Spread(94.0, 2.0, 3)
    # sketch 80, 86, 86: mean 84, deviations -4, 2, 2, variance 24 / 2 = 12.
    assert spg.by_target["sketch"].mean == pytest.approx(84.0)
    assert spg.by_target["sketch"].std == pytest.approx(3.4641016151377544)


def test_the_average_is_taken_over_targets_within_a_seed_before_it_is_taken_over_seeds() -> None:
    spg = aggregate(RECORDED)[1]
    # Per seed: 86, 90, 91: mean 89, deviations -3, 1, 2, variance 14 / 2 = 7 (pooling all six values would give 37.2).
    assert spg.average is not None
    assert spg.average.mean == pytest.approx(89.0)
    assert spg.average.std == pytest.approx(2.6457513110645907)
    assert spg.average.count == 3


def test_a_seed_that_lacks_a_target_does_not_enter_the_average() -> None:
    spg = aggregate([r for r in RECORDED if not (r.seed == 3 and r.target == "sketch")])[1]
    assert spg.by_target["art"].count == 3
    assert spg.average is not None
    assert (spg.average.mean, spg.average.count) == (88.0, 2)


def test_a_method_that_lacks_a_target_altogether_has_no_average() -> None:
    summaries = aggregate([r for r in RECORDED if not (r.method == "spg" and r.target == "sketch")])
    assert summaries[0].average is not None
    assert summaries[1].average is None


def test_several_sources_of_one_target_are_averaged_within_the_seed() -> None:
    rows = [
        row("spg", "art", 1, 70.0, source="photo"),
        row("spg", "art", 1, 80.0, source="sketch"),
        row("spg", "art", 2, 76.0, source="photo"),
        row("spg", "art", 2, 78.0, source="sketch"),
    ]
    (spg,) = aggregate(rows)
    # Seed means 75 and 77: mean 76, variance 2 / 1.
    assert spg.by_target["art"].mean == pytest.approx(76.0)
    assert spg.by_target["art"].std == pytest.approx(1.4142135623730951)


def test_backbones_and_data_sets_are_never_averaged_together() -> None:
    summaries = aggregate([*RECORDED, replace(RECORDED[0], backbone="ViT-B-16", accuracy=10.0)])
    assert [(s.backbone, s.method) for s in summaries] == [
        ("RN50", "zero-shot"),
        ("RN50", "spg"),
        ("ViT-B-16", "zero-shot"),
    ]
    assert summaries[0].by_target["art"].mean == 90.0


def test_results_read_back_bit_for_bit_and_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    odd = replace(RECORDED[3], seed=10, accuracy=100.0 / 3.0, note='a "quoted", two\nline note ñ', target="Clip,art")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    write_results(first, [*RECORDED, odd])
    write_results(second, [odd, *reversed(RECORDED)])
    assert first.read_bytes() == second.read_bytes()
    assert set(read_results(first)) == {*RECORDED, odd}
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["first.csv", "second.csv"]


def test_seeds_are_sorted_as_numbers(tmp_path: Path) -> None:
    write_results(tmp_path / "r.csv", [row("spg", "art", seed, 50.0) for seed in (10, 2, 1)])
    assert [r.seed for r in read_results(tmp_path / "r.csv")] == [1, 2, 10]


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, RECORDED)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="two results for method 'spg'"):
        write_results(path, [RECORDED[2], RECORDED[2]])
    assert path.read_bytes() == before


@pytest.mark.parametrize("accuracy", [-0.1, 100.1, float("nan")])
def test_an_accuracy_that_is_no_percentage_is_refused(accuracy: float) -> None:
    with pytest.raises(ResultsError, match=r"'spg' on target 'art'.*percent"):
        row("spg", "art", 1, accuracy)


def test_an_unreadable_value_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, RECORDED[:2])
    path.write_text(path.read_text().replace("80.0", "eighty"))
    with pytest.raises(ResultsError, match=r"results\.csv, line 3: .*eighty"):
        read_results(path)


def test_a_truncated_line_and_a_foreign_header_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, RECORDED[:2])
    text = path.read_text()
    path.write_text(text[: text.rindex("100")])
    with pytest.raises(ResultsError, match="line 3: expected 14 fields"):
        read_results(path)
    path.write_text("method,accuracy\nspg,90\n")
    with pytest.raises(ResultsError, match="the header is"):
        read_results(path)


@pytest.mark.parametrize("run", ["finished", "two-threads"])
def test_a_file_of_version_0_1_0_is_read_under_the_names_of_today(run: str, tmp_path: Path) -> None:
    old = REPOSITORY / "tests" / "fixtures" / "version-0.1.0" / "runs" / run / "results.csv"
    assert ",erm," in old.read_text()
    rows = read_results(old)
    assert {row.method for row in rows} == {"zero-shot", "coop", "spg"}
    assert {row.note for row in rows if row.method == "coop"} == {"not 16 context tokens (unlike the paper's CoOp)"}
    assert {row.is_the_papers_method for row in rows if row.method == "coop"} == {False}
    assert all(row.is_the_papers_method and not row.note for row in rows if row.method != "coop")
    write_results(tmp_path / "new.csv", rows)
    assert read_results(tmp_path / "new.csv") == rows
    assert "erm" not in (tmp_path / "new.csv").read_text()


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="run the evaluation"):
        read_results(tmp_path / "results.csv")
