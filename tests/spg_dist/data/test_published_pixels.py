"""`encode.pixels=published` reads as the published pipeline does; the check says for which images it matters, why."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from spg_dist.data import DataConfig, ImageRejected, check_dataset, decode_rgb, render
from spg_dist.data.pixel_differences import pixel_differences

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")  # pytest has its own filters
TURNED, CLEAR, DEEP = "EXIF orientation", "transparency", "greyscale of more than 8 bits"


def grain(mode: str = "RGB", side: int = 12) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(1, 255, (side, side + 4, len(mode)), dtype=np.uint8).squeeze(), mode=None)


def with_orientation(orientation: int, picture: Image.Image, suffix: str = "jpg") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(folder / f"x.{suffix}", exif=exif)
        return folder / f"x.{suffix}"

    return write


def saved(picture: Image.Image, suffix: str = "png", **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        picture.save(folder / f"x.{suffix}", **options)
        return folder / f"x.{suffix}"

    return write


def grey(*values: float, kind: type = np.uint16) -> Image.Image:
    return Image.fromarray(np.array([values], dtype=kind))


KINDS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    **{f"orientation {k}": (with_orientation(k, grain()), [TURNED]) for k in range(2, 9)},
    "turned PNG": (with_orientation(6, grain(), "png"), [TURNED]),
    "turned WebP": (with_orientation(3, grain(), "webp"), [TURNED]),
    "upright": (with_orientation(1, grain()), []),
    "an orientation that is none": (with_orientation(9, grain()), []),
    "turned, of one colour, as high as wide": (with_orientation(6, Image.new("RGB", (8, 8), "red")), []),
    "a TIFF, which Pillow turns by itself": (with_orientation(6, grain(), "tif"), []),
    "alpha": (saved(grain("RGBA")), [CLEAR]),
    "grey with alpha": (saved(grain("LA")), [CLEAR]),
    "alpha in WebP": (saved(grain("RGBA"), "webp", lossless=True), [CLEAR]),
    "alpha that is opaque": (saved(grain().convert("RGBA")), []),
    "clear white": (saved(Image.new("RGBA", (4, 4), (255, 255, 255, 0))), []),
    "clear black": (saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0))), [CLEAR]),
    "a clear colour of a palette": (saved(grain().quantize(4), transparency=0), [CLEAR]),
    "a palette of many clear colours": (saved(grain().quantize(4), transparency=b"\0\x80\xff\xff"), [CLEAR]),
    "a clear colour in RGB": (saved(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3)), [CLEAR]),
    "a clear colour that no pixel has": (saved(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(9, 9, 9)), []),
    "turned and clear": (with_orientation(6, grain("RGBA"), "png"), [TURNED, CLEAR]),
    "16 bits": (saved(grey(0, 257, 70, 65535)), [DEEP]),
    "16 bits in TIFF": (saved(grey(0, 257, 70, 65535), "tif"), [DEEP]),
    "16 bits in PGM": (saved(grey(0, 257, 70, 65535), "pgm"), [DEEP]),
    "16 bits of black": (saved(grey(0, 0, 0, 0)), []),
    "RGB": (saved(grain()), []),
    "JPEG": (saved(grain(), "jpg"), []),
    "CMYK": (saved(grain().convert("CMYK"), "jpg"), []),
    "grey": (saved(grain().convert("L")), []),
    "a palette": (saved(grain().quantize(4), "gif"), []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_published_is_pillows_plain_conversion(tmp_path: Path, kind: str) -> None:
    file = KINDS[kind][0](tmp_path)
    with Image.open(file) as image:
        expected = image.convert("RGB")
    found = decode_rgb(file, "published")
    assert (found.mode, found.size, found.tobytes()) == ("RGB", expected.size, expected.tobytes())


@pytest.mark.parametrize("kind", KINDS)
def test_the_difference_is_told_where_the_pixels_differ_and_nowhere_else(tmp_path: Path, kind: str) -> None:
    write, why = KINDS[kind]
    file = write(tmp_path)
    ways = [decode_rgb(file, pixels) for pixels in ("upright", "published")]  # type: ignore[arg-type]
    assert pixel_differences(file) == why
    assert (np.asarray(ways[0]).tolist() != np.asarray(ways[1]).tolist()) == bool(why)


def test_published_neither_turns_nor_composes_and_clips(tmp_path: Path) -> None:
    assert decode_rgb(with_orientation(6, grain())(tmp_path), "published").size == (16, 12)
    clear = saved(Image.new("RGBA", (1, 1), (1, 2, 3, 0)))(tmp_path)
    assert decode_rgb(clear, "published").getpixel((0, 0)) == (1, 2, 3)
    deep = decode_rgb(saved(grey(0, 70, 257, 65535))(tmp_path), "published")
    assert np.asarray(deep)[0, :, 0].tolist() == [0, 70, 255, 255]


@pytest.mark.parametrize("picture", [grey(0.4, 7, 300, kind=np.float32), grey(0, 7, 70000, kind=np.int32)])
def test_published_clips_what_upright_finds_no_white_in(tmp_path: Path, picture: Image.Image) -> None:
    file = saved(picture, "tif")(tmp_path)
    assert np.asarray(decode_rgb(file, "published"))[0, :, 0].tolist() == [0, 7, 255]
    with pytest.raises(ImageRejected, match="no defined white"):
        decode_rgb(file)


@pytest.mark.parametrize("content", [b"", b"no image", b"cut"])
def test_published_rejects_what_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    """Truncated files, too: half an image is none."""
    whole = saved(grain(side=60))(tmp_path).read_bytes()
    (tmp_path / "bad.png").write_bytes(whole[: len(whole) // 2] if content == b"cut" else content)
    with pytest.raises(ImageRejected):
        decode_rgb(tmp_path / "bad.png", "published")


def test_the_check_counts_and_lists_them_by_kind_when_it_decodes(tmp_path: Path) -> None:
    for domain in ("day", "night"):
        for i in range(4):
            (tmp_path / "set" / domain / "cat").mkdir(parents=True, exist_ok=True)
            grain().save(tmp_path / "set" / domain / "cat" / f"{i}.png")
    place = tmp_path / "set" / "night" / "cat"
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("turned", "turned too"):
        grain().save(place / f"{name}.jpg", exif=exif)
    grain("RGBA").save(place / "clear.png")
    grain().convert("RGBA").save(place / "opaque.png")
    grey(1, 2, 60000, 4).save(place / "deep.png")
    config = DataConfig(dataset="folder", root=str(tmp_path / "set"))
    report = check_dataset(config, decode=True)
    assert report.pixels_matter == (
        ("night/cat/clear.png", CLEAR),
        ("night/cat/deep.png", DEEP),
        ("night/cat/turned too.jpg", TURNED),
        ("night/cat/turned.jpg", TURNED),
    )
    assert report.ok, "it is no fault"
    assert check_dataset(config).pixels_matter == ()
    console = Console(file=io.StringIO(), width=200)
    render(report, console, shown_paths=1)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"2 with other pixels under encode.pixels=published: {TURNED}" in text
    assert f"1 with other pixels under encode.pixels=published: {CLEAR}" in text
    assert "night/cat/turned too.jpg" in text and "night/cat/turned.jpg" not in text and "opaque" not in text
