"""The check names exactly what is missing or extra, and goes on after the first fault."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from spg_dist.data import CheckReport, DataConfig, DatasetError, check_dataset, render


def printed(report: CheckReport, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    render(report, console, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def check(folder: Path, dataset: Any = "pacs", decode: bool = False) -> CheckReport:
    return check_dataset(DataConfig(dataset=dataset, root=str(folder)), decode)


def test_images_missing_and_extra_are_listed(pacs: Any) -> None:
    images = pacs.folder / "images"
    (images / "photo" / "dog" / "2.png").rename(images / "photo" / "dog" / "new.png")
    report = check(pacs.folder)
    assert report.absent_images == ("images/photo/dog/2.png",)
    assert report.unlisted_images == ("images/photo/dog/new.png",)
    assert not report.ok and len(report.problems) == 1
    text = printed(report)
    assert "1 named in split files but not on disk" in text and "images/photo/dog/2.png" in text
    assert "1 on disk but in no split file" in text and "images/photo/dog/new.png" in text


def test_every_problem_is_told_and_not_just_the_first(pacs: Any) -> None:
    for path in (pacs.folder / "images" / "photo" / "dog").iterdir():
        path.unlink()
    file = pacs.folder / "spg_coop_splits" / "s_train_val_split.json"
    file.write_text(file.read_text().replace('"val"', '"validation"').replace('"test"', '"val"').replace("/3.", "/9."))
    report = check(pacs.folder)
    assert report.absent_classes == (("photo", "dog"),)
    assert len(report.absent_images) == 4 + 2
    assert "photo: dog" in printed(report)


def test_unlisted_images_alone_do_not_spoil_a_data_set(pacs: Any) -> None:
    (pacs.folder / "images" / "photo" / "dog" / "extra.png").write_bytes(b"x")
    report = check(pacs.folder)
    assert report.ok and report.unlisted_images == ("images/photo/dog/extra.png",)


def test_folders_of_no_domain_are_told(pacs: Any) -> None:
    (pacs.folder / "images" / "video" / "dog").mkdir(parents=True)
    (pacs.folder / "images" / "video" / "dog" / "0.png").write_bytes(b"x")
    report = check(pacs.folder)
    assert report.unknown_folders == ("video",) and "video" in printed(report)


def test_copies_in_vlcs_are_counted_once(vlcs_with_copies: Any) -> None:
    tree = vlcs_with_copies
    report = check(tree.folder, "vlcs")
    assert report.domain_images("caltech") == sum(tree.per_class.values()) * len(tree.class_names)


def test_unreadable_images_are_found_only_by_decoding(pacs: Any) -> None:
    (pacs.folder / "images" / "photo" / "dog" / "1.png").write_bytes(b"")
    assert check(pacs.folder).ok
    report = check(pacs.folder, decode=True)
    assert report.unreadable == (("images/photo/dog/1.png", "the file is empty (0 bytes)"),)
    assert not report.ok and "the file is empty" in printed(report)


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.5, "sets them aside and goes on"), (0.01, "will refuse the data set")]
)
def test_the_verdict_counts_unreadable_images_as_a_job_does(pacs: Any, limit: float, verdict: str) -> None:
    (pacs.folder / "images" / "photo" / "dog" / "1.png").write_bytes(b"")
    config = DataConfig(dataset="pacs", root=str(pacs.folder), max_set_aside_share=limit)
    report = check_dataset(config, decode=True)
    assert verdict in printed(report) and f"({limit:.1%})" in printed(report)
    assert report.usable == (limit == 0.5)


def test_a_class_too_small_to_be_split_is_a_problem(toys: Any) -> None:
    for i in (1, 2, 3):
        (toys.folder / "dusk" / "train" / f"{i}.png").unlink()
    report = check(toys.folder, "folder")
    assert len(report.problems) == 1 and "'train' of domain 'dusk'" in report.problems[0]


def test_the_table_shows_published_counts_and_differences(pacs: Any) -> None:
    text = printed(check(pacs.folder))
    for figure in ("2,048", "2,344", "1,670", "3,929", "-2,040"):
        assert figure in text
    assert "are in order" in text and "--decode" in text


def test_long_lists_are_cut_in_print_and_whole_in_the_report(pacs: Any) -> None:
    for path in (pacs.folder / "images").rglob("*.png"):
        if path.parent.name == "dog":
            path.unlink()
    report = check(pacs.folder)
    assert len(report.absent_images) == 16
    assert "... and 6 more" in printed(report, shown_paths=10)


def test_names_in_brackets_are_printed_as_they_are(toys: Any) -> None:
    for domain in ("daylight", "dusk"):
        (toys.folder / domain / "train").rename(toys.folder / domain / "[red]")
    assert "[red]" in printed(check(toys.folder, "folder"))


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        check(tmp_path / "nowhere")
