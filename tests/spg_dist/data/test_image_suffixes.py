"""The suffixes of images are stated once; what cannot import them agrees with it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from PIL import Image

from spg_dist.data.image_files import FORMATS, IMAGE_SUFFIXES, UNREAD_SUFFIXES

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_no_image_is_uploaded_with_the_code(suffix: str) -> None:
    ignored = (REPOSITORY / ".rayignore").read_text(encoding="utf-8").splitlines()
    for name in (f"0{suffix}", f"0{suffix.upper()}", f"0{suffix.title()}"):
        assert any(fnmatchcase(name, pattern) for pattern in ignored), name


def test_the_documentation_names_just_the_suffixes_that_are_read() -> None:
    text = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    said = re.search(r"by these suffixes: `([^`]*)`", text)
    assert said is not None
    assert sorted(said[1].split()) == sorted(IMAGE_SUFFIXES)


def test_each_suffix_is_one_that_pillow_knows_for_its_format() -> None:
    known = Image.registered_extensions()
    assert all(known[suffix] == name for name, suffixes in FORMATS.items() for suffix in suffixes)
    assert not IMAGE_SUFFIXES & UNREAD_SUFFIXES
