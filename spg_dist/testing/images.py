"""Image files for tests, small and of differing bytes."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image

from spg_dist.data.image_files import FORMATS


def put_images(folder: Path, *paths: str) -> list[str]:
    """Write an image of 4 x 4 pixels to each relative path, no two with the same bytes; returns the paths."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_image(file.suffix.lower()) + path.encode())  # decoders stop at the image's end
    return list(paths)


@cache
def _image(suffix: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 30, 60)).save(stream, next(name for name in FORMATS if suffix in FORMATS[name]))
    return stream.getvalue()
