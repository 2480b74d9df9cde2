"""What makes a cache another cache, and what a folder refuses to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache import CacheError, FeatureCache, FeatureKey
from cache.testing.material import digests_of, key_of, rows_of


@pytest.mark.parametrize(
    "field, value",
    [
        ("backbone", "other weights"),
        ("transform", "resize224/bilinear"),
        ("view", "aug-7-0"),
        ("dtype", "float32"),
        ("width", 17),
        ("layout", 2),
    ],
)
def test_changing_any_field_addresses_another_cache(field: str, value: str | int) -> None:
    key = key_of()
    assert FeatureKey(**(key.as_dict() | {field: value})).digest != key.digest


def test_a_key_has_the_same_address_for_ever() -> None:
    """If this fails, every cache out there has lost its address: raise LAYOUT_VERSION instead."""
    key = FeatureKey(backbone="b", transform="t", view="plain", dtype="float16", width=512, layout=1)
    assert key.digest == "8f2526b50d4f7379643b23529af279fd"


@pytest.mark.parametrize(
    "fields",
    [
        {"view": "augmented"},
        {"view": "aug-1"},
        {"view": "plain/../x"},
        {"dtype": "float8"},
        {"width": 0},
        {"width": "512"},
        {"backbone": ""},
        {"layout": 0},
    ],
)
def test_a_key_that_no_cache_can_have_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(CacheError, match=f"feature key: {next(iter(fields))} is"):
        FeatureKey(**(key_of().as_dict() | fields))


def test_two_keys_in_one_root_never_mix(tmp_path: Path, store: str) -> None:
    digests = digests_of(3)
    plain = FeatureCache.open(tmp_path, key_of(), store=store)
    plain.write_shard(digests, rows_of(digests))
    other = FeatureCache.open(tmp_path, key_of(transform="resize224/bilinear"), store=store)
    assert other.missing(digests) == digests


def test_a_cache_kept_in_the_other_store_is_refused_with_the_cure(tmp_path: Path) -> None:
    FeatureCache.open(tmp_path, key_of(), store="arrow")
    with pytest.raises(CacheError, match=r"kept as arrow, asked for as lmdb; set cache.store=arrow, or run .*convert"):
        FeatureCache.open(tmp_path, key_of(), store="lmdb")


@pytest.mark.parametrize("version", [0, 2, None])
def test_another_layout_version_is_refused_by_name(tmp_path: Path, store: str, version: int | None) -> None:
    FeatureCache.open(tmp_path, key_of(), store=store)
    identity = tmp_path / key_of().digest / "cache.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"layout": version}))
    with pytest.raises(CacheError, match=f"layout version {version}; this program reads version 1"):
        FeatureCache.open(tmp_path, key_of(), store=store)


def test_a_renamed_cache_folder_is_refused(tmp_path: Path, store: str) -> None:
    FeatureCache.open(tmp_path, key_of(), store=store)
    (tmp_path / key_of().digest).rename(tmp_path / key_of(width=17).digest)
    with pytest.raises(CacheError, match="Was the folder renamed"):
        FeatureCache.open(tmp_path, key_of(width=17), store=store)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "something else"}'])
def test_a_folder_that_is_something_else_is_refused(tmp_path: Path, store: str, content: str) -> None:
    folder = tmp_path / key_of().digest
    folder.mkdir()
    (folder / "cache.json").write_text(content)
    with pytest.raises(CacheError, match=r"cache\.json"):
        FeatureCache.open(tmp_path, key_of(), store=store)


def test_a_store_of_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no store 'sqlite' \(known: arrow, lmdb\); for a store of your own name its"):
        FeatureCache.open(tmp_path, key_of(), store="sqlite")
