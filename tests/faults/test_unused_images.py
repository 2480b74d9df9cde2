"""Images that a layout has no place for are counted and listed by the check, and told in one line of the job's log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from drawn_material import DOMAINS, draw_images
from rich.console import Console

from spg_dist.config import parse_config
from spg_dist.data import DataConfig, check_dataset, load_manifest, render
from spg_dist.data.image_files import UNREAD_SUFFIXES
from spg_dist.embedded.drawing import draw
from spg_dist.pipeline.prediction import find_images
from spg_dist.pipeline.prepare import load_images
from spg_dist.progress import Display

DEEPER, OUTSIDE, UNREAD = "deeper than the class folders", "outside the class folders", "in formats that are not read"
CLASSES = ("boat", "car", "fish")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "set", each=4)


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"never opened")


def as_class_folders(root: Path) -> str:
    return ""


def beneath_images(root: Path) -> str:
    """With split lists next to it."""
    (root / "images").mkdir()
    (root / "splits").mkdir()
    for domain in DOMAINS:
        (root / domain).rename(root / "images" / domain)
        for part, numbers in {"train": range(3), "crossval": range(3, 4)}.items():
            lines = [f"{domain}/{name}/{i}.png {label}" for label, name in enumerate(CLASSES) for i in numbers]
            (root / "splits" / f"{domain}_{part}_kfold.txt").write_text("\n".join(lines), encoding="utf-8")
    return "images/"


def in_split_folders(root: Path) -> str:
    for path in list(root.rglob("*.png")):
        domain, name, file = path.relative_to(root).parts
        place = root / domain / ("val" if file == "3.png" else "train") / name
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / file)
    for path in [*root.glob("*/*")]:
        if path.name in CLASSES:
            path.rmdir()
    return ""


LAYOUTS = {"class folders": as_class_folders, "k-fold lists": beneath_images, "split folders": in_split_folders}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_is_listed_with_its_reason(images: Path, layout: str) -> None:
    prefix = LAYOUTS[layout](images)
    within = f"{prefix}art/train/" if layout == "split folders" else f"{prefix}art/"
    expected = {
        f"{within}car/more/1.png": DEEPER,
        f"{within}car/more/and/more/2.jpg": DEEPER,
        f"{within}car/more/3.heic": DEEPER,
        f"{within}car/0.heic": UNREAD,
        f"{within}car/0.AVIF": UNREAD,
        f"{within}loose.png": OUTSIDE,
        f"{prefix}loose.jpg": OUTSIDE,
        f"{prefix}loose.svg": OUTSIDE,
    }
    before = check_dataset(DataConfig(dataset="auto", root=str(images)))
    assert before.ok and before.passed_over == () and before.layout != "" and layout.split()[0] in before.layout
    put(images, *expected, f"{within}car/notes.txt", f"{within}car/.hidden.png", f"{within}car/.cache/9.png")
    after = check_dataset(DataConfig(dataset="auto", root=str(images)))
    assert dict(after.passed_over) == expected
    assert after.ok and after.images == before.images


def test_the_published_layout_reads_any_depth_and_tells_the_rest(images: Path) -> None:
    put(images, "spg_coop_splits/a_train_val_split.json")
    (images / "spg_coop_splits" / "a_train_val_split.json").write_text('{"train": [], "val": []}', encoding="utf-8")
    put(images, "art/loose.png", "loose.png", "art/car/0.heic", "art/more/car/9.png")
    report = check_dataset(DataConfig(dataset="folder", root=str(images)))
    assert dict(report.passed_over) == {"art/loose.png": OUTSIDE, "loose.png": OUTSIDE, "art/car/0.heic": UNREAD}
    assert "art/more/car/9.png" in report.unlisted_images


def test_the_jobs_log_has_one_line_for_all_of_them(images: Path, tmp_path: Path) -> None:
    given = ["data.dataset=folder", f"data.root={images}", "name=x"]
    assert "not used" not in log(given, tmp_path)
    put(images, "art/car/more/1.png", "art/car/more/2.png", "loose.png", "art/car/0.heic")
    (line,) = [line for line in log(given, tmp_path).splitlines() if "not used" in line]
    assert f"2 images {DEEPER} (art/car/more/1.png, ...)" in line
    assert f"1 image {OUTSIDE} (loose.png)" in line
    assert f"1 image {UNREAD} (art/car/0.heic)" in line
    assert "spg-dist data check" in line


def log(given: list[str], home: Path) -> str:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPG_HOME", str(home))
        text = io.StringIO()
        load_images(parse_config(given, "test"), Display(Console(file=text, width=500)))
    return text.getvalue()


def test_domains_and_images_that_the_published_splits_leave_out_are_told(tmp_path: Path) -> None:
    domains = ("art_painting", "cartoon", "photo", "sketch")
    root = tmp_path / "PACS"
    put(root, *(f"{domain}/{name}/{i}.png" for domain in domains for name in ("dog", "horse") for i in range(4)))
    (root / "splits").mkdir()
    for domain in domains:
        for part, numbers in {"train": range(2), "crossval": range(2, 3)}.items():
            lines = [f"{domain}/{name}/{i}.png {k}" for k, name in enumerate(("dog", "horse")) for i in numbers]
            (root / "splits" / f"{domain}_{part}_kfold.txt").write_text("\n".join(lines), encoding="utf-8")
    put(root, *(f"video/dog/{i}.png" for i in range(3)))
    config = DataConfig(dataset="pacs", root=str(root))
    manifest = load_manifest(config, tmp_path / "splits")
    (line,) = manifest.remarks
    assert line.startswith(
        "not used: 3 images in folders that are no domain (video); 8 images that no split file names"
    )
    report = check_dataset(config)
    assert report.unknown_folders == ("video",)
    assert len(report.unlisted_images) == 8


def test_long_lists_are_cut_in_print(images: Path) -> None:
    put(images, *(f"art/car/{i}.heic" for i in range(30)))
    console = Console(file=io.StringIO(), width=200)
    render(check_dataset(DataConfig(dataset="folder", root=str(images))), console, shown_paths=5)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"30 {UNREAD} (not used)" in text and "... and 25 more" in text


@pytest.mark.parametrize("suffix", [".jfif", ".JFIF", ".jpe"])
def test_jpeg_is_read_under_its_other_suffixes(images: Path, suffix: str) -> None:
    draw("car", "art", 1, 99).convert("RGB").save(images / "art" / "car" / f"new{suffix}", "JPEG")
    report = check_dataset(DataConfig(dataset="folder", root=str(images)), decode=True)
    assert report.ok and not report.passed_over and report.images["art", "car"] == 5


@pytest.mark.parametrize("suffix", sorted(UNREAD_SUFFIXES))
def test_predict_tells_the_formats_that_it_passes_over(images: Path, suffix: str) -> None:
    put(images, f"art/car/9{suffix}", "art/notes.txt")
    found = find_images(images)
    assert found.unread == [images / "art" / "car" / f"9{suffix}"]
    assert len(found.images) == len(DOMAINS) * len(CLASSES) * 4


def test_a_class_folder_that_leads_back_up_is_not_walked_again(images: Path) -> None:
    (images / "art" / "car" / "up").symlink_to(images)
    (images / "art" / "car" / "across").symlink_to(images / "photo")
    report = check_dataset(DataConfig(dataset="folder", root=str(images)))
    assert {path.split("/")[2] for path, _ in report.passed_over} == {"across"}
    assert len(report.passed_over) == len(CLASSES) * 4
