"""The same image under two classes of a folder of one's own ends in one line, before anything is encoded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bad_input_material import DOMAINS, arguments, failure
from drawn_material import draw_images

from jobs import full_pipeline

ORIGINAL = "art/boat/0.png"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "set", DOMAINS, each=4)


@pytest.mark.parametrize("duplicates", ["keep", "drop"])
@pytest.mark.parametrize("dataset", ["folder", "auto"])
@pytest.mark.parametrize("copy", ["art/car/1.png", "photo/car/3.png"], ids=["one domain", "two domains"])
def test_both_files_and_both_classes_are_named(
    images: Path, home: Path, copy: str, dataset: str, duplicates: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(images / ORIGINAL, images / copy)
    settings = ("methods=[zero-shot]", f"data.dataset={dataset}", f"data.duplicates={duplicates}")
    message = failure(arguments(images, home, *settings), capsys)
    for named in (str(images), f"{ORIGINAL} (class 'boat')", f"{copy} (class 'car')", "remove the wrong one"):
        assert named in message
    assert not list((home / "cache").glob("*/arrow/*"))


def test_a_data_set_that_is_only_tested_on_is_looked_at_too(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = draw_images(tmp_path / "there", ("cartoon",), ("cat", "house"), each=4)
    shutil.copy(there / "cartoon/cat/0.png", there / "cartoon/house/0.png")
    settings = [setting for setting in arguments(images, home) if not setting.startswith("targets")]
    across = ("protocol=cross-dataset", f"test_data=[{{dataset: folder, root: {there}}}]", "methods=[zero-shot]")
    assert "cartoon/cat/0.png (class 'cat')" in failure([*settings, *across], capsys)


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>"], ids=["empty", "an error page"])
def test_files_that_are_no_images_are_set_aside_instead(images: Path, home: Path, content: bytes) -> None:
    for path in (ORIGINAL, "art/car/1.png", "photo/fish/2.png"):
        (images / path).write_bytes(content)
    full_pipeline.main(arguments(images, home, "methods=[zero-shot]", "data.max_set_aside_share=0.1"))
    assert "Images set aside: 3" in (home / "runs/bad/summary.md").read_text()
    assert "Duplicates" not in (home / "runs/bad/summary.md").read_text()
