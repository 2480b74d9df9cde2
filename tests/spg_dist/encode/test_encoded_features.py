"""Features are those of a plain open_clip loop, whatever the batch, the shards, the store and the dtype."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from encode_material import Encode, Encoded, plain_loop
from PIL import Image
from small_images import picture

from spg_dist.clip.load import Clip
from spg_dist.data import Pixels, decode_rgb
from spg_dist.encode import encoder as encoder_module
from spg_dist.encode.encoder import BATCHES_AHEAD, ImageEncoder
from spg_dist.encode.transform import ImageTransform
from spg_dist.features import FeatureTable


def all_features(table: FeatureTable) -> torch.Tensor:
    return table.features(np.arange(len(table)))


@pytest.fixture
def encoded(encode: Encode, images: Path) -> Encoded:
    return encode(images)


def test_features_equal_a_plain_open_clip_loop_to_float16(encoded: Encoded, clip: Clip) -> None:
    expected = plain_loop(clip, [encoded.manifest.absolute(image) for image in encoded.manifest.images])
    assert (expected[0] - expected[30]).abs().max() > 1e-3  # different images differ by more than the tolerance
    torch.testing.assert_close(all_features(encoded.table()), expected, rtol=1e-3, atol=2e-4)


def test_a_feature_does_not_depend_on_the_images_beside_it(images: Path, clip: Clip) -> None:
    """Full batch, other neighbours, other place, alone in a batch that is filled up: the same bits."""
    paths = sorted(images.rglob("*.png"))[:7]
    encoder = ImageEncoder(clip, ImageTransform(clip.preprocess), batch_size=4)
    together = encoder(paths, [str(p) for p in paths]).features_ND
    backwards = encoder(paths[::-1], [str(p) for p in paths[::-1]]).features_ND[::-1]
    alone = np.concatenate([encoder([p], [str(p)]).features_ND for p in paths])
    np.testing.assert_array_equal(together, backwards)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [64, (48, 80)])
def test_pixels_are_those_of_open_clips_own_transform_bit_for_bit(
    clip: Clip, resize_mode: str, interpolation: str, size: int | tuple[int, int]
) -> None:
    fields = {**clip.preprocess, "resize_mode": resize_mode, "interpolation": interpolation, "size": size}
    theirs = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**fields), is_train=False)
    ours = ImageTransform(fields)
    images = [picture("wide"), picture("tall", height=150, width=31), picture("small", height=20, width=20)]
    expected_B3HW = torch.stack([theirs(image) for image in images])
    batch_BHW3 = torch.from_numpy(np.stack([ours.pixels(image, "") for image in images]))
    assert torch.equal(ours.normalise(batch_BHW3), expected_B3HW)
    assert torch.equal(ours(images[1], ""), expected_B3HW[1])


def test_many_readers_give_the_features_of_one(images: Path, clip: Clip) -> None:
    """As beside an accelerator: augmented views too, whose crops are drawn while other threads draw theirs."""
    paths = sorted(images.rglob("*.png"))
    alone = ImageEncoder(clip, ImageTransform(clip.preprocess, "aug-1-0"), batch_size=4)
    together = ImageEncoder(clip, ImageTransform(clip.preprocess, "aug-1-0"), batch_size=4)
    assert alone.readers == 1
    together.readers = 8
    digests = [path.name for path in paths]
    np.testing.assert_array_equal(together(paths, digests).features_ND, alone(paths, digests).features_ND)


def test_no_more_batches_are_decoded_ahead_than_memory_is_meant_for(
    images: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(images.rglob("*.png"))[:40]
    encoder = ImageEncoder(clip, ImageTransform(clip.preprocess), batch_size=4)
    decoded: list[Path] = []
    ahead: list[int] = []

    def decode(path: Path, pixels: Pixels) -> Image.Image:
        decoded.append(path)
        return decode_rgb(path, pixels)

    def encode(pixels: list[np.ndarray]) -> np.ndarray:
        time.sleep(0.05)  # long enough for the reader to decode all that it may
        ahead.append(len(decoded) - 4 * (len(ahead) + 1))
        return np.zeros((len(pixels), clip.feature_width), dtype=np.float32)

    monkeypatch.setattr(encoder_module, "decode_rgb", decode)
    monkeypatch.setattr(encoder, "_encode", encode)
    encoder(paths, [""] * len(paths))
    assert max(ahead) == 4 * BATCHES_AHEAD and ahead[-1] == 0


def test_the_table_does_not_depend_on_the_number_of_shards(encode: Encode, images: Path, encoded: Encoded) -> None:
    split = encode(images, cache="split", shard_rows=5)
    assert len(split.tasks) == 11 and len(encoded.tasks) == 1
    assert torch.equal(all_features(split.table()), all_features(encoded.table()))


@pytest.mark.parametrize("store", ["arrow", "lmdb"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.0), ("float16", 2e-4), ("bfloat16", 2e-3)])
def test_both_stores_and_all_dtypes_give_the_same_training_table(
    encode: Encode, images: Path, clip: Clip, store: str, dtype: str, tolerance: float
) -> None:
    made = encode(images, cache=f"{store}-{dtype}", store=store, dtype=dtype, views=1).table()
    paths = [made.manifest.absolute(image) for image in made.manifest.images]
    encoder = ImageEncoder(clip, ImageTransform(clip.preprocess), batch_size=8)
    direct = F.normalize(torch.from_numpy(encoder(paths, [""] * len(paths)).features_ND), dim=-1)
    torch.testing.assert_close(all_features(made), direct, rtol=0, atol=tolerance)
    train = made.manifest.rows({0, 1, 2}, {"train"})
    assert made.training_features(train, 0).shape == (len(train), clip.feature_width)
    assert not torch.equal(made.training_features(train, 0), made.features(train))


def test_images_of_any_kind_are_encoded_upright_and_the_rest_is_named(tmp_path: Path, clip: Clip) -> None:
    upright = picture("any", width=80)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 270 degrees
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    upright.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    upright.quantize(64).save(tmp_path / "palette.png")
    grey = np.asarray(upright.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "sixteen.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "upright.png").read_bytes()[:900])
    names = ["upright.png", "empty.png", "turned.png", "cut.png", "cmyk.jpg", "palette.png", "sixteen.png"]
    encoder = ImageEncoder(clip, ImageTransform(clip.preprocess), batch_size=3)
    done = encoder([tmp_path / name for name in names], names)
    assert done.kept == [0, 2, 4, 5, 6]
    assert set(done.rejected) == {1, 3}
    assert "empty" in done.rejected[1] and "truncated" in done.rejected[3]
    np.testing.assert_array_equal(done.features_ND[0], done.features_ND[1])


def test_a_batch_of_which_nothing_can_be_read_gives_no_rows(tmp_path: Path, clip: Clip) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        path.write_text("not a picture")
    done = ImageEncoder(clip, ImageTransform(clip.preprocess), batch_size=2)(paths, ["a", "b", "c"])
    assert done.features_ND.shape == (0, clip.feature_width)
    assert sorted(done.rejected) == [0, 1, 2]


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(4_000_000, 2), (2, 4_000_000)])
def test_an_image_too_thin_to_be_resized_is_set_aside_and_the_others_are_done(
    tmp_path: Path, clip: Clip, size: tuple[int, int], mode: str
) -> None:
    picture(1).save(tmp_path / "usual.png")
    Image.new("L", size, 128).save(tmp_path / "thin.png")
    transform = ImageTransform({**clip.preprocess, "resize_mode": mode})
    done = ImageEncoder(clip, transform, batch_size=2)([tmp_path / "thin.png", tmp_path / "usual.png"], ["a", "b"])
    assert done.kept == ([0, 1] if mode == "squash" else [1])
    if mode != "squash":
        assert f"{size[0]} x {size[1]} pixels are too long and thin" in done.rejected[0]
