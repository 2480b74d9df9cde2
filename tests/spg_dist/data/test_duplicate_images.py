"""Images with the same bytes: found, told apart by where they stand, and refused under two classes."""

from __future__ import annotations

import io
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spg_dist import cli
from spg_dist.data import CheckReport, DataConfig, check_dataset, load_manifest, render
from spg_dist.data.duplicates import IN_CLASSES, IN_DOMAINS, IN_SPLITS, by_kind, repeated
from spg_dist.data.validation import NamedImage

NONE: dict[str, list[set[str]]] = {IN_DOMAINS: [], IN_CLASSES: [], IN_SPLITS: []}
SPLITS = ("train", "val")
NO_IMAGES = {"empty": b"", "an error page": b"<html>404 Not Found</html>", "a cut image": b"\x89PNG\r\n\x1a\n"}


@given(st.lists(st.sampled_from("abcdefgh"), max_size=20))
def test_repeated_contents_are_those_of_a_plain_search(digests: list[str]) -> None:
    expected = [[i for i, d in enumerate(digests) if d == digest] for digest in dict.fromkeys(digests)]
    assert repeated(digests) == [group for group in expected if len(group) > 1]


IMAGE = st.builds(
    NamedImage,
    path=st.uuids().map(str),
    domain=st.sampled_from(["art", "photo"]),
    class_name=st.sampled_from(["cat", "dog"]),
    split=st.sampled_from(["train", "val", "test"]),
)


@given(st.lists(IMAGE, min_size=2, max_size=5))
def test_a_group_is_of_a_kind_where_two_of_its_images_are(group: list[NamedImage]) -> None:
    pairs = list(combinations(group, 2))
    found = by_kind([group])
    assert bool(found[IN_DOMAINS]) == any(one.domain != other.domain for one, other in pairs)
    assert bool(found[IN_CLASSES]) == any(one.class_name != other.class_name for one, other in pairs)
    assert bool(found[IN_SPLITS]) == any(
        one.domain == other.domain and one.split != other.split for one, other in pairs
    )


def check(folder: Path, dataset: Any, **asked: bool) -> CheckReport:
    return check_dataset(DataConfig(dataset=dataset, root=str(folder)), **asked)


def found(report: CheckReport) -> dict[str, list[set[str]]]:
    assert report.duplicates is not None
    return {kind: [{image.path for image in group} for group in groups] for kind, groups in report.duplicates.items()}


@pytest.mark.parametrize("asked", ["digest", "decode"])
@pytest.mark.parametrize(
    ("copy", "kinds"),
    [
        ("images/photo/dog/1.png", [IN_DOMAINS]),
        ("images/photo/dog/3.png", [IN_DOMAINS]),
        ("images/sketch/guitar/1.png", [IN_CLASSES]),
        ("images/photo/guitar/1.png", [IN_DOMAINS, IN_CLASSES]),
        ("images/sketch/dog/3.png", [IN_SPLITS]),
        ("images/sketch/guitar/3.png", [IN_CLASSES, IN_SPLITS]),
        ("images/sketch/dog/2.png", []),
    ],
)
def test_copies_are_listed_by_where_they_stand(pacs: Any, copy: str, kinds: list[str], asked: str) -> None:
    """In PACS, a published data set, they are told and nothing more; 0 to 2 are train and 3 is val."""
    original = "images/sketch/dog/0.png"
    shutil.copy(pacs.folder / original, pacs.folder / copy)
    report = check(pacs.folder, "pacs", **{asked: True})
    assert found(report) == NONE | {kind: [{original, copy}] for kind in kinds}
    assert report.ok
    for kind in kinds:
        assert f"1 images that stand {kind}, byte for byte the same:" in printed(report)
        assert " = ".join(sorted([original, copy])) in printed(report)
    assert ("No image stands in several" in printed(report)) == (not kinds)


def test_files_are_read_only_where_that_is_asked_for(pacs: Any) -> None:
    report = check(pacs.folder, "pacs")
    assert report.duplicates is None and "byte for byte" not in printed(report)
    digested, decoded = (check(pacs.folder, "pacs", **{asked: True}) for asked in ("digest", "decode"))
    assert found(digested) == found(decoded) == NONE
    assert "were not decoded: --decode" in printed(digested) and "every image can be read" in printed(decoded)


@pytest.mark.parametrize("asked", ["digest", "decode"])
@pytest.mark.parametrize("content", NO_IMAGES.values(), ids=NO_IMAGES)
def test_files_that_are_no_images_are_copies_of_nothing(toys: Any, content: bytes, asked: str) -> None:
    for path in ("daylight/train/0.png", "daylight/red_car/1.png", "dusk/train/2.png"):
        (toys.folder / path).write_bytes(content)
    report = check(toys.folder, "folder", **{asked: True})
    assert found(report) == NONE and not report.problems


@pytest.mark.parametrize("copy", ["daylight/train/0.png", "dusk/train/1.png"])
def test_one_image_under_two_classes_is_a_problem_of_a_folder_of_ones_own(
    toys: Any, copy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(toys.folder / "daylight/red_car/3.png", toys.folder / copy)
    (problem,) = check(toys.folder, "folder", digest=True).problems
    for named in ("daylight/red_car/3.png (class 'red car')", f"{copy} (class 'train')", "remove the wrong one"):
        assert named in problem
    assert cli.main(["data", "check", str(toys.folder), "--dataset", "folder"]) == 0
    assert cli.main(["data", "check", str(toys.folder), "--dataset", "folder", "--digest"]) == 1
    assert "cannot be used as it is" in capsys.readouterr().out


def test_a_copy_in_another_domain_alone_is_told_and_no_problem(toys: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(toys.folder / "daylight/train/0.png", toys.folder / "dusk/train/0.png")
    assert cli.main(["data", "check", str(toys.folder), "--dataset", "folder", "--digest"]) == 0
    assert "daylight/train/0.png = dusk/train/0.png" in capsys.readouterr().out


def test_drawn_splits_are_those_that_a_job_draws(toys: Any, tmp_path: Path) -> None:
    config = DataConfig(dataset="folder", root=str(toys.folder))
    images = load_manifest(config, tmp_path / "splits").images
    train, val = (next(i.path for i in images if i.path.startswith("dusk/train/") and i.split == s) for s in SPLITS)
    shutil.copy(toys.folder / train, toys.folder / val)
    assert found(check_dataset(config, digest=True)) == NONE | {IN_SPLITS: [{train, val}]}


def test_an_image_that_no_job_uses_is_a_copy_of_nothing(pacs: Any) -> None:
    images = pacs.folder / "images"
    shutil.copy(images / "photo" / "dog" / "0.png", images / "sketch" / "guitar" / "in-no-split-file.png")
    report = check(pacs.folder, "pacs", digest=True)
    assert found(report) == NONE and len(report.unlisted_images) == 1


def test_the_check_writes_nothing_anywhere(pacs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    before = sorted(tmp_path.rglob("*"))
    check(pacs.folder, "pacs", digest=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_long_lists_are_cut_in_print_and_whole_in_the_report(pacs: Any) -> None:
    images = pacs.folder / "images"
    for name in ("dog", "guitar"):
        for i in range(4):
            for domain in ("cartoon", "photo", "sketch"):
                shutil.copy(images / "art_painting" / name / f"{i}.png", images / domain / name / f"{i}.png")
    report = check(pacs.folder, "pacs", digest=True)
    assert [len(paths) for paths in found(report)[IN_DOMAINS]] == [4] * 8
    text = printed(report, shown_paths=5)
    assert "8 images that stand in several domains" in text and "... and 3 more" in text
    assert "art_painting/dog/0.png = images/cartoon/dog/0.png = images/photo/dog/0.png and 1 more" in text


def printed(report: CheckReport, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(report, console, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
