"""The encode job: nothing twice, bad images set aside and counted, interruptions cost what was not written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from encode_material import Encode
from small_images import CLASSES, DOMAINS, IMAGES_PER_CLASS, write_images

from spg_dist.clip.load import Clip
from spg_dist.encode.job import feature_key
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard

ALL = len(DOMAINS) * len(CLASSES) * IMAGES_PER_CLASS
PER_DOMAIN = ALL // len(DOMAINS)


def counts(encoded: object) -> tuple[int, int, int]:
    summary = encoded.summary  # type: ignore[attr-defined]
    return summary.encoded, summary.reused, len(summary.set_aside)


def test_a_second_job_encodes_nothing_and_says_so(encode: Encode, images: Path) -> None:
    first, second = encode(images), encode(images)
    assert counts(first) == (ALL, 0, 0)
    assert counts(second) == (0, ALL, 0)
    assert not second.tasks
    assert second.summary.in_words().startswith("nothing to encode")
    rows = np.arange(ALL)
    assert torch.equal(first.table().features(rows), second.table().features(rows))


def test_a_moved_and_renamed_folder_encodes_nothing(encode: Encode, tmp_path: Path) -> None:
    root = write_images(tmp_path / "before")
    encode(root)
    moved = shutil.move(root, tmp_path / "after")
    for path in sorted(Path(moved).rglob("*.png")):
        path.rename(path.with_name(f"renamed-{path.name}"))
        path.with_name(f"renamed-{path.name}").touch()
    assert counts(encode(Path(moved))) == (0, ALL, 0)


def test_an_added_domain_encodes_only_its_own_images(encode: Encode, tmp_path: Path) -> None:
    root = write_images(tmp_path / "set", domains=DOMAINS[:2])
    encode(root)
    write_images(root)
    assert counts(encode(root)) == (PER_DOMAIN, ALL - PER_DOMAIN, 0)


def test_copies_of_one_picture_are_encoded_once_and_all_have_its_feature(encode: Encode, tmp_path: Path) -> None:
    root = write_images(tmp_path / "set")
    original = root / "art" / "apple" / "0.png"
    copies = [root / "photo" / "apple" / "copy.png", root / "sketch" / "apple" / "copy.png"]
    for copy in copies:
        shutil.copy(original, copy)
    encoded = encode(root)
    assert encoded.summary.encoded == ALL
    position = {image.path: i for i, image in enumerate(encoded.manifest.images)}
    rows = np.array([position[str(path.relative_to(root))] for path in (original, *copies)])
    assert len(encoded.manifest.images) == ALL + 2
    assert len(encoded.table().features(rows).unique(dim=0)) == 1


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, set[str]]:
    """A set with a truncated, an empty and a text file, and their paths."""
    root = write_images(tmp_path / "damaged")
    cut, empty, text = "art/apple/1.png", "photo/bear/2.png", "sketch/car/3.png"
    (root / cut).write_bytes((root / cut).read_bytes()[:700])
    (root / empty).write_bytes(b"")
    (root / text).write_text("no picture at all")
    return root, {cut, empty, text}


def test_images_that_cannot_be_read_are_set_aside_with_their_reasons(
    encode: Encode, damaged: tuple[Path, set[str]]
) -> None:
    root, bad = damaged
    encoded = encode(root, share=0.1, views=1)
    assert set(encoded.summary.set_aside) == bad
    reasons = encoded.summary.set_aside
    assert "truncated" in reasons["art/apple/1.png"]
    assert "empty" in reasons["photo/bear/2.png"]
    assert "not an image" in reasons["sketch/car/3.png"]
    assert "3 images set aside" in encoded.summary.in_words()
    assert not bad & {image.path for image in encoded.manifest.images}
    assert len(encoded.manifest.images) == ALL - 3 == len(encoded.views.digests)
    assert len(encoded.table().features(np.arange(ALL - 3))) == ALL - 3


def test_images_set_aside_are_tried_again_and_used_once_mended(encode: Encode, damaged: tuple[Path, set[str]]) -> None:
    root, bad = damaged
    encode(root, share=0.1)
    assert counts(encode(root, share=0.1)) == (0, ALL - 3, 3)
    for path in bad:
        (root / path).unlink()
    write_images(root)
    assert counts(encode(root)) == (3, ALL - 3, 0)


def test_more_bad_images_than_allowed_fail_the_job_by_name(encode: Encode, damaged: tuple[Path, set[str]]) -> None:
    root, _ = damaged
    with pytest.raises(ValueError, match=r"3 of 54 images in .* cannot be read, more than the 5\.0%") as caught:
        encode(root, share=0.05)
    assert "data.max_set_aside_share" in str(caught.value) and "art/apple/1.png" in str(caught.value)
    assert counts(encode(root, share=0.06)) == (0, ALL - 3, 3)  # what was good is kept


def test_a_domain_without_a_readable_val_image_fails_the_job(encode: Encode, tmp_path: Path) -> None:
    root = write_images(tmp_path / "set")
    val = [image.path for image in encode(root).manifest.images if image.domain == 1 and image.split == "val"]
    for path in val:
        (root / path).write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the val images of domain photo in .* can be read, e\.g\. photo/"):
        encode(root, share=1.0)


def test_augmented_views_are_made_of_training_images_only(encode: Encode, images: Path) -> None:
    encoded = encode(images, views=2)
    train = len(encoded.manifest.select(splits={"train"}))
    assert 0 < train < ALL
    assert counts(encoded) == (ALL + 2 * train, 0, 0)
    assert len({key.digest for key in encoded.views.keys}) == 3
    table = encoded.table()
    rows = table.manifest.rows({0, 1, 2}, {"train"})
    plain, first, second = table.features(rows), table.training_features(rows, 0), table.training_features(rows, 1)
    assert not torch.equal(plain, first) and not torch.equal(first, second)
    assert torch.equal(table.training_features(rows, 2), first)


def test_more_views_later_encode_only_the_new_ones(encode: Encode, images: Path) -> None:
    train = len(encode(images, views=1).manifest.select(splits={"train"}))
    assert counts(encode(images, views=2)) == (train, ALL + train, 0)


def test_weights_transform_view_and_dtype_each_have_a_cache_of_their_own(clip: Clip) -> None:
    other_weights = replace(clip, fingerprint=clip.fingerprint.replace("a", "b"))
    bilinear = replace(clip, preprocess={**clip.preprocess, "interpolation": "bilinear"})
    keys = [
        feature_key(clip, "plain", "float16"),
        feature_key(other_weights, "plain", "float16"),
        feature_key(bilinear, "plain", "float16"),
        feature_key(clip, "aug-1-0", "float16"),
        feature_key(clip, "aug-2-0", "float16"),
        feature_key(clip, "plain", "float32"),
    ]
    assert len({key.digest for key in keys}) == len(keys)


def test_another_interpolation_reuses_nothing(encode: Encode, images: Path, clip: Clip) -> None:
    encode(images)
    bilinear = replace(clip, preprocess={**clip.preprocess, "interpolation": "bilinear"})
    asked: list[ShardTask] = []

    def note(task: ShardTask) -> ShardReport:
        asked.append(task)
        return encode_shard(task)

    assert counts(encode(images, with_clip=bilinear, run_task=note)) == (ALL, 0, 0)
    assert sum(len(task.digests) for task in asked) == ALL


def test_after_an_interruption_only_what_was_not_written_is_encoded(encode: Encode, images: Path) -> None:
    done: list[ShardTask] = []

    def stop_at_the_third(task: ShardTask) -> ShardReport:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task)
        return encode_shard(task)

    with pytest.raises(KeyboardInterrupt):
        encode(images, run_task=stop_at_the_third, shard_rows=10)
    resumed = encode(images, shard_rows=10)
    assert counts(resumed) == (ALL - 20, 20, 0)
    whole = encode(images, cache="undisturbed", shard_rows=10)
    rows = np.arange(ALL)
    assert torch.equal(resumed.table().features(rows), whole.table().features(rows))


def test_a_task_that_runs_twice_writes_its_rows_once(encode: Encode, images: Path) -> None:
    again: list[ShardReport] = []

    def twice(task: ShardTask) -> ShardReport:
        first = encode_shard(task)
        again.append(encode_shard(task))
        return first

    assert counts(encode(images, run_task=twice)) == (ALL, 0, 0)
    assert [(report.encoded, report.reused) for report in again] == [(0, ALL)]
