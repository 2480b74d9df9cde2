"""Every usual kind of image file becomes upright 8-bit RGB; every damaged one is rejected with its reason."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from spg_dist.data import ImageRejected, decode_rgb


def photograph() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 0, 0)).convert("CMYK").save(tmp_path / "x.jpg", quality=95)
    red, green, blue = decode_rgb(tmp_path / "x.jpg").getpixel((4, 4))  # type: ignore[misc]
    assert red > 245 and green < 10 and blue < 10


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_greyscale_is_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    grey = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / f"x.{suffix}")
    image = decode_rgb(tmp_path / f"x.{suffix}")
    assert image.mode == "RGB"
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_32_bit_greyscale_beyond_16_bits_is_rejected(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "x.tif")
    with pytest.raises(ImageRejected, match="32-bit greyscale"):
        decode_rgb(tmp_path / "x.tif")


def test_floating_point_pixels_are_rejected(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(ImageRejected, match="floating-point"):
        decode_rgb(tmp_path / "x.tif")


def test_palette_without_transparency(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "x.png")
    assert decode_rgb(tmp_path / "x.png").getpixel((0, 0)) == (10, 200, 30)


def test_palette_with_transparency_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "x.png", transparency=0)
    decoded = decode_rgb(tmp_path / "x.png")
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (10, 200, 30)]


@pytest.mark.parametrize(("mode", "clear"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
def test_transparency_lies_over_white(tmp_path: Path, mode: str, clear: tuple[int, ...]) -> None:
    Image.new(mode, (4, 4), clear).save(tmp_path / "x.png")
    assert decode_rgb(tmp_path / "x.png").getpixel((0, 0)) == (255, 255, 255)


def test_a_transparent_colour_of_an_rgb_image_lies_over_white(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "x.png", transparency=(1, 2, 3))
    assert decode_rgb(tmp_path / "x.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_greyscale_and_black_and_white(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4), 255).save(tmp_path / "x.png")
    assert decode_rgb(tmp_path / "x.png").getpixel((0, 0)) == (255, 255, 255)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 4), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the left edge of the stored picture is its top
    image.save(tmp_path / "x.jpg", exif=exif, quality=100)
    decoded = decode_rgb(tmp_path / "x.jpg")
    assert decoded.size == (4, 8)
    assert min(decoded.getpixel((2, 1))) > 200 and max(decoded.getpixel((2, 6))) < 50  # type: ignore[arg-type]


def odd_exif(entry: bytes) -> bytes:
    """EXIF that says "turn by 90 degrees" and, in a second entry of 12 bytes, something odd."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + entry
    return b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0)


ODD_ENTRIES = {
    "an exposure time that is a short": struct.pack("<HHII", 0x829A, 3, 1, 7),
    "a rational beyond the end": struct.pack("<HHII", 0x829A, 5, 1, 0xFFFFFFF0),
    "a division by zero": struct.pack("<HHII", 0x011A, 5, 1, 0),
    "an unknown type": struct.pack("<HHII", 0x010F, 99, 1, 0),
    "a maker's note that is a number": struct.pack("<HHII", 0x927C, 4, 1, 5),
    "a folder of tags that is the file's own start": struct.pack("<HHII", 0x8769, 4, 1, 8),
    "text as a number": struct.pack("<HHII", 0x0100, 2, 4, 0x41424344),
}


@pytest.mark.parametrize("oddity", ODD_ENTRIES)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_of_odd_exif_the_orientation_counts_and_nothing_else(tmp_path: Path, oddity: str, suffix: str) -> None:
    photograph().save(tmp_path / f"x.{suffix}", exif=odd_exif(ODD_ENTRIES[oddity]), lossless=True, quality=100)
    photograph().save(tmp_path / f"plain.{suffix}", lossless=True, quality=100)
    turned = np.rot90(np.asarray(decode_rgb(tmp_path / f"plain.{suffix}")), k=-1)
    np.testing.assert_array_equal(np.asarray(decode_rgb(tmp_path / f"x.{suffix}")), turned)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage" * 9])
def test_exif_that_is_garbage_leaves_the_pixels_as_they_are(tmp_path: Path, exif: bytes) -> None:
    photograph().save(tmp_path / "x.jpg", exif=exif)
    photograph().save(tmp_path / "plain.jpg")
    assert decode_rgb(tmp_path / "x.jpg").tobytes() == decode_rgb(tmp_path / "plain.jpg").tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_those_of_pillow(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph().save(tmp_path / "x.png", exif=exif)
    with Image.open(tmp_path / "x.png") as image:
        expected = ImageOps.exif_transpose(image).tobytes()
    assert decode_rgb(tmp_path / "x.png").tobytes() == expected


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, OverflowError, AssertionError, ZeroDivisionError])
def test_whatever_a_decoder_raises_rejects_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    photograph().save(tmp_path / "x.png")

    def load(self: object) -> None:
        raise error("odd")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(ImageRejected, match=f"damaged: {error.__name__}: odd"):
        decode_rgb(tmp_path / "x.png")


def test_a_machine_without_memory_rejects_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph().save(tmp_path / "x.png")

    def load(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(MemoryError, match=r"x\.png"):
        decode_rgb(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    photograph().save(whole)
    content = whole.read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) * 6 // 10])
    assert decode_rgb(whole).size == (80, 60)
    with pytest.raises(ImageRejected, match=r"truncated|damaged|not an image"):
        decode_rgb(tmp_path / "cut")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    with pytest.raises(ImageRejected, match="empty"):
        decode_rgb(tmp_path / "x.jpg")


def test_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("<html>404</html>")
    with pytest.raises(ImageRejected, match="not an image"):
        decode_rgb(tmp_path / "x.jpg")


def test_postscript_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(ImageRejected, match="not an image"):
        decode_rgb(tmp_path / "x.png")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="cannot be read"):
        decode_rgb(tmp_path)


def test_a_rejection_crosses_process_borders() -> None:
    crossed = pickle.loads(pickle.dumps(ImageRejected("the file is empty (0 bytes)")))  # noqa: S301
    assert isinstance(crossed, ImageRejected) and crossed.reason == "the file is empty (0 bytes)"


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="No such file"):
        decode_rgb(tmp_path / "x.png")


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bomb(tmp_path: Path, side: int) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    stream = io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))))
    (tmp_path / "x.png").write_bytes(stream.getvalue() + chunk(b"IEND", b""))
    with pytest.raises(ImageRejected, match="bomb"):
        decode_rgb(tmp_path / "x.png")
