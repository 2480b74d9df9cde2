"""Augmented views: the same on every machine, different from each other, cropped and flipped as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from small_images import picture
from torchvision.transforms import RandomResizedCrop

from spg_dist.clip.load import Clip
from spg_dist.encode import transform
from spg_dist.encode.transform import PLAIN, ImageTransform, draw_crop, view_name

DIGEST = "ab" * 32


@pytest.fixture
def image() -> Image.Image:
    return picture("view", height=90, width=120)


def test_a_view_is_fixed_by_digest_view_and_seed(clip: Clip, image: Image.Image) -> None:
    first = ImageTransform(clip.preprocess, view_name(1, 0))(image, DIGEST)
    torch.manual_seed(99)
    torch.rand(7)
    np.random.seed(5)
    assert torch.equal(ImageTransform(clip.preprocess, view_name(1, 0))(image, DIGEST), first)
    others = [
        ImageTransform(clip.preprocess, view_name(1, 1))(image, DIGEST),
        ImageTransform(clip.preprocess, view_name(2, 0))(image, DIGEST),
        ImageTransform(clip.preprocess, view_name(1, 0))(image, "cd" * 32),
        ImageTransform(clip.preprocess, PLAIN)(image, DIGEST),
    ]
    assert all(other.shape == first.shape for other in others)
    assert not any(torch.equal(other, first) for other in others)


def test_drawing_a_view_leaves_the_programs_own_random_numbers_alone(clip: Clip, image: Image.Image) -> None:
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    ImageTransform(clip.preprocess, view_name(1, 0))(image, DIGEST)
    assert torch.equal(torch.rand(5), expected)


def test_crops_keep_8_to_100_percent_of_the_area_at_ratios_of_three_to_four() -> None:
    height, width, random = 300, 400, np.random.default_rng(0)
    crops = np.array([draw_crop(height, width, random) for _ in range(400)])
    top, left, h, w = crops.T
    assert (top >= 0).all() and (left >= 0).all() and (top + h <= height).all() and (left + w <= width).all()
    share, ratio = h * w / (height * width), w / h
    assert 0.078 < share.min() < 0.15 and 0.85 < share.max() <= 1.0  # whole pixels round the limits
    assert 0.73 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.36


@pytest.mark.parametrize("size", [(300, 400), (1, 1), (7, 900), (640, 20), (227, 227), (3, 4), (500, 375)])
def test_crops_are_those_of_torchvision(size: tuple[int, int]) -> None:
    """Its numbers, without its way to draw them from the program's own."""
    for seed in range(60):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
            expected = RandomResizedCrop.get_params(torch.empty(1, *size), [0.08, 1.0], [3 / 4, 4 / 3])
        assert draw_crop(*size, np.random.default_rng(seed)) == expected


def test_half_of_the_views_are_mirrored(clip: Clip) -> None:
    """A picture that gets brighter from left to right, whatever the crop, tells whether it was mirrored."""
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))).convert("RGB")
    views = [ImageTransform(clip.preprocess, view_name(1, k))(ramp, DIGEST) for k in range(120)]
    mirrored = [bool(view[0, :, 0].mean() > view[0, :, -1].mean()) for view in views]
    assert 40 < sum(mirrored) < 80


def test_pixels_are_normalised_as_the_weights_want_them(clip: Clip) -> None:
    white = Image.new("RGB", (80, 60), (255, 255, 255))
    mean, std = (torch.tensor(clip.preprocess[name]).view(3, 1, 1) for name in ("mean", "std"))
    for view in (PLAIN, view_name(1, 0)):
        pixels = ImageTransform(clip.preprocess, view)(white, DIGEST)
        torch.testing.assert_close(pixels, ((1 - mean) / std).expand_as(pixels))


def test_the_interpolation_reaches_plain_and_augmented_views_and_the_key(clip: Clip, image: Image.Image) -> None:
    other = {**clip.preprocess, "interpolation": "bilinear"}
    assert clip.preprocess["interpolation"] == "bicubic"
    assert ImageTransform(other).fingerprint != ImageTransform(clip.preprocess).fingerprint
    for view in (PLAIN, view_name(1, 0)):
        bicubic, bilinear = (ImageTransform(fields, view)(image, DIGEST) for fields in (clip.preprocess, other))
        assert not torch.equal(bicubic, bilinear)


def test_the_crops_limits_are_part_of_an_augmented_views_key_only(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the constants must never mix views of two kinds in one cache."""
    plain, view = (ImageTransform(clip.preprocess, name) for name in (PLAIN, view_name(1, 0)))
    before = plain.fingerprint, view.fingerprint
    monkeypatch.setattr(transform, "CROP_SCALE", (0.5, 1.0))
    assert plain.fingerprint == before[0]
    assert view.fingerprint != before[1]
