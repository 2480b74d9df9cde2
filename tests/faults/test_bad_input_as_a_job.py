"""The same as a user starts it: a process of its own, its exit status and its stderr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bad_input_material import DOMAINS, arguments, half_written, one_message, start
from drawn_material import draw_images
from PIL import Image

from jobs import full_pipeline


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("drawn") / "set", DOMAINS)


def test_a_missing_root(tmp_path: Path) -> None:
    done = start(arguments(tmp_path / "nowhere", tmp_path), tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "nowhere") in one_message(done.stderr)
    assert not half_written(tmp_path)


@pytest.mark.parametrize(
    ("largest_file_bytes", "where"),
    [
        pytest.param(1_000, "configuration", marks=pytest.mark.faults),
        pytest.param(9_000, "cache", marks=pytest.mark.faults),
        (1_000_000, "generator"),
    ],
    ids=["configuration", "cache", "generator"],
)
def test_a_full_disk_leaves_nothing_half_written_and_the_same_command_goes_on(
    images: Path, tmp_path: Path, largest_file_bytes: int, where: str
) -> None:
    """A limit on the size of a file makes its write fail as a full disk does, with EFBIG for ENOSPC."""
    given = arguments(images, tmp_path)
    done = start(given, tmp_path, largest_file_bytes)
    assert done.returncode == 1, done.stdout + done.stderr
    message = one_message(done.stderr)
    assert "disk is full" in message or "too large" in message.lower(), message
    assert where == "configuration" or str(tmp_path) in message
    assert not half_written(tmp_path)
    assert list((tmp_path / "runs" / "bad").rglob("generators/*.safetensors")) == []
    if where == "generator":
        again = start(given, tmp_path)
        assert again.returncode == 0, again.stderr
        assert "nothing to encode" in again.stdout
        assert (tmp_path / "runs" / "bad" / "results.csv").is_file()


def test_odd_images_are_used_and_bad_ones_set_aside_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw_images(tmp_path / "set", DOMAINS)
    place, good = root / "cartoon" / "car", Image.open(root / "cartoon" / "car" / "0.png").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    good.convert("CMYK").save(place / "cmyk.jpg")
    good.quantize(32).save(place / "palette.png")
    good.rotate(90).save(place / "turned.jpg", exif=exif)
    Image.fromarray(np.asarray(good.convert("L")).astype(np.uint16) * 257).save(place / "sixteen.png")
    (place / "cut.png").write_bytes((place / "0.png").read_bytes()[:600])
    (place / "empty.jpg").write_bytes(b"")
    (place / "text.png").write_text("not an image")
    full_pipeline.main(arguments(root, tmp_path, "data.max_set_aside_share=0.06"))
    said = capsys.readouterr()
    assert not said.err.strip()
    assert "58 features encoded, 0 reused from the cache, 3 images set aside" in said.out
    for name in ("cut.png", "empty.jpg", "text.png"):
        assert f"set aside: cartoon/car/{name}: " in said.out
        assert f"cartoon/car/{name}" in (tmp_path / "runs" / "bad" / "report.html").read_text()
    assert "Images set aside: 3" in (tmp_path / "runs" / "bad" / "summary.md").read_text()
