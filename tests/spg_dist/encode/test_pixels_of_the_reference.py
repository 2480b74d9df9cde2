"""`encode.pixels` reaches every view, has a key of its own, and leaves the keys of `upright` as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from encode_material import Encode, Encoded, plain_loop
from PIL import Image
from small_images import picture, write_images

from spg_dist.clip.load import Clip
from spg_dist.encode import transform
from spg_dist.encode.transform import PLAIN, ImageTransform, view_name


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Images of which some are turned, clear or of 16 bits."""
    root = write_images(tmp_path / "odd", images_per_class=4)
    exif = Image.Exif()
    exif[0x0112] = 6
    for domain in ("art", "photo"):
        place = root / domain / "bear"
        picture("turned", domain).save(place / "turned.png", exif=exif)
        clear = picture("clear", domain).convert("RGBA")
        clear.putalpha(80)
        clear.save(place / "clear.png")
        deep = np.asarray(picture("deep", domain).convert("L")).astype(np.uint16) * 257
        Image.fromarray(deep).save(place / "deep.png")
    return root


def plain_features(encoded: Encoded) -> dict[str, torch.Tensor]:
    features = encoded.table().features(np.arange(len(encoded.manifest.images)))
    return dict(zip((image.path for image in encoded.manifest.images), features, strict=True))


def test_published_features_are_those_of_a_plain_loop_with_pillow(encode: Encode, odd: Path, clip: Clip) -> None:
    found = plain_features(encode(odd, pixels="published"))
    expected = plain_loop(clip, [odd / path for path in found])
    torch.testing.assert_close(torch.stack(list(found.values())), expected, rtol=1e-3, atol=2e-4)


def test_one_cache_keeps_both_apart_and_nothing_is_encoded_twice(encode: Encode, odd: Path) -> None:
    upright, published = encode(odd, views=1), encode(odd, pixels="published", views=1)
    assert published.summary.encoded == upright.summary.encoded > 0
    assert not {key.digest for key in upright.views.keys} & {key.digest for key in published.views.keys}
    again = [encode(odd, views=1, pixels=pixels) for pixels in ("upright", "published")]
    assert [done.summary.encoded for done in again] == [0, 0]
    here, there = plain_features(again[0]), plain_features(again[1])
    differing = {Path(path).stem for path in here if not torch.equal(here[path], there[path])}
    assert differing == {"turned", "clear", "deep"}


@pytest.mark.parametrize("view", [PLAIN, view_name(1, 0)])
def test_the_fingerprints_of_upright_are_those_of_before(clip: Clip, view: str) -> None:
    """Byte for byte: else every cache would be encoded anew and every run trained again."""
    crop = {"scale": transform.CROP_SCALE, "ratio": transform.CROP_RATIO, "flip": transform.FLIP_SHARE}
    before = json.dumps(clip.preprocess | ({} if view == PLAIN else {"crop": crop}), sort_keys=True)
    assert ImageTransform(clip.preprocess, view).fingerprint == before
    assert ImageTransform(clip.preprocess, view, "published").fingerprint != before
