"""Decode an image file of any usual kind to RGB, or say why it is rejected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from spg_dist.data.errors import ImageRejected
from spg_dist.data.image_files import FORMATS

Pixels = Literal["upright", "published"]

# Odd EXIF is of no interest here, see `upright`; Pillow would warn of each such image.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
# It would also warn of each transparent palette that `published` reads as it is asked to.
warnings.filterwarnings(
    "ignore", message="Palette images with Transparency", category=UserWarning, module=r"PIL\.Image"
)
# Pillow's own warning threshold. A photograph of this size (89 megapixels) would need 270 MB as RGB.
MAX_PIXELS = 89_478_485
# EXIF's orientation to what makes the picture upright; 1 is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_rgb(path: Path, pixels: Pixels = "upright") -> Image.Image:
    """The image as 8-bit RGB. Of an animation the first frame is taken.

    Arguments:
        pixels: `upright`: EXIF orientation applied, transparency laid over white, 16-bit greyscale scaled from 0..65535
            to 0..255. `published`: as the published pipeline reads it, `Image.open(path).convert("RGB")`: not turned,
            alpha dropped, greyscale of more than 8 bits clipped at 255.

    Raises:
        ImageRejected: the file is missing, unreadable, empty, truncated, no image, or larger than MAX_PIXELS; for
            `upright` also floating-point pixels, and 32-bit greyscale beyond 0..65535.
        MemoryError: this machine has no room for it; the image is named.
    """
    with opened(path) as image:
        return image.convert("RGB") if pixels == "published" else to_rgb(upright(image))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image as Pillow has it, loaded; what fails to decode inside the block is raised as `decode_rgb` raises it."""
    try:
        if path.stat().st_size == 0:
            raise ImageRejected("the file is empty (0 bytes)")
        with Image.open(path, formats=tuple(FORMATS)) as image:
            _check_size(image)
            image.load()
            yield image
    except ImageRejected:
        raise
    except UnidentifiedImageError as error:
        raise ImageRejected(f"not an image of a known format ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"more than {MAX_PIXELS:,} pixels, as in a decompression bomb") from error
    except OSError as error:
        # An error of the operating system has a number, one of Pillow's decoders has none.
        if error.errno is not None:
            raise ImageRejected(f"the file cannot be read: {error.strerror}") from error
        raise ImageRejected(f"cannot be decoded, truncated or damaged: {error}") from error
    except MemoryError as error:
        raise MemoryError(f"no memory left to decode {path}") from error
    except Exception as error:  # Pillow's decoders raise of every kind on damaged files
        raise ImageRejected(f"cannot be decoded, damaged: {type(error).__name__}: {error}") from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageRejected(
            f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}, as in a decompression bomb"
        )


def upright(image: Image.Image) -> Image.Image:
    """Turned and mirrored as its orientation says; whatever else its EXIF holds, odd or damaged, is of no interest."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # EXIF that Pillow cannot read at all says nothing about the pixels
        orientation = None
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise ImageRejected("floating-point pixels have no defined white: convert the file to 8 or 16 bits")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return _over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Pillow's own conversion of mode I clips at 255, which turns a 16-bit picture white."""
    grey_HW = np.asarray(image).astype(np.int64)
    if grey_HW.min() < 0 or grey_HW.max() > 65535:
        raise ImageRejected("32-bit greyscale beyond 0..65535 has no defined white: convert the file to 8 or 16 bits")
    return Image.fromarray(((grey_HW + 128) // 257).astype(np.uint8)).convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")
