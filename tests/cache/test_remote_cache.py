"""Caches at URIs of pyarrow filesystems, against a real server that speaks S3."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cache import CacheError, DamagedShardError, DigestIndex, FeatureCache
from cache.folder import RemoteFolder, folder_at
from cache.testing.material import digests_of, key_of, rows_of
from cache.upkeep.listing import list_caches
from cache.upkeep.verification import verify

DIGESTS = digests_of(30)


def test_a_cache_on_s3_is_written_read_and_resumed(s3_root: str) -> None:
    cache = FeatureCache.open(s3_root, key_of(), provenance={"dataset": "pacs"})
    assert cache.missing(DIGESTS) == DIGESTS
    for start in (0, 10):
        with cache.claim(DIGESTS[start : start + 10]) as lease:
            cache.write_shard(lease.digests, rows_of(lease.digests))
    again = pickle.loads(pickle.dumps(FeatureCache.open(s3_root, key_of())))  # noqa: S301 - our own bytes
    assert again.missing(DIGESTS) == DIGESTS[20:]
    again.write_shard(DIGESTS[20:], rows_of(DIGESTS[20:]))
    reader = pickle.loads(pickle.dumps(cache.reader()))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(reader.take(reader.rows(DIGESTS)), rows_of(DIGESTS).astype(np.float16))
    (summary,) = list_caches(s3_root)
    assert (summary.rows, summary.shards, summary.provenance[0]["provenance"]) == (30, 3, {"dataset": "pacs"})


def test_damage_on_s3_is_found(s3_root: str) -> None:
    cache = FeatureCache.open(s3_root, key_of())
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    assert verify(cache.folder, key_of(), "arrow").sound
    shards = cache.folder.child("arrow")
    (name,) = [name for name in shards.names() if name.endswith(".arrow")]
    data = bytearray(shards.read(name))
    data[-200] ^= 4
    shards.write(name, bytes(data))
    assert [problem.kind for problem in verify(cache.folder, key_of(), "arrow").problems] == ["damaged"]
    shards.write(name, bytes(data)[:-9])
    with pytest.raises(DamagedShardError, match=r"s3://.*bytes where"):
        FeatureCache.open(s3_root, key_of()).reader().rows(DIGESTS)


def test_a_local_cache_copied_to_s3_reads_the_same(s3_root: str, tmp_path: Path) -> None:
    local = FeatureCache.open(tmp_path, key_of())
    for start in (0, 15):
        local.write_shard(DIGESTS[start : start + 15], rows_of(DIGESTS[start : start + 15]))
    local.compact(keep_replaced_seconds=0)
    there = folder_at(s3_root).child(key_of().digest)
    for folder, target in ((local.folder, there), (local.folder.child("arrow"), there.child("arrow"))):
        for name in folder.names():
            if not name.startswith("."):
                target.write(name, folder.read(name))
    reader = FeatureCache.open(s3_root, key_of()).reader()
    np.testing.assert_array_equal(reader.matrix()[reader.rows(DIGESTS)], rows_of(DIGESTS).astype(np.float16))


def test_digests_can_be_remembered_on_s3(s3_root: str, tmp_path: Path, settled: None) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"image")
    assert DigestIndex(s3_root).digest_files([path]).files_read == 1
    assert DigestIndex(s3_root).digest_files([path]).files_reused == 1


def test_what_needs_a_local_folder_says_so(s3_root: str) -> None:
    with pytest.raises(CacheError, match="LMDB store needs a local folder"):
        FeatureCache.open(s3_root, key_of(), store="lmdb")
    with pytest.raises(CacheError, match="compact the cache locally"):
        FeatureCache.open(s3_root, key_of()).compact()


def test_a_bucket_that_is_not_there_is_an_error_without_the_query(s3_server: str) -> None:
    with pytest.raises(CacheError, match="cannot write s3://nowhere/caches") as caught:
        FeatureCache.open(f"s3://nowhere/caches?endpoint_override={s3_server}&scheme=http", key_of())
    assert "endpoint_override" not in str(caught.value).split(":", 2)[1]


def test_a_file_uri_is_a_local_folder(tmp_path: Path) -> None:
    cache = FeatureCache.open(f"file://{tmp_path}", key_of())
    cache.write_shard(DIGESTS, rows_of(DIGESTS))
    assert FeatureCache.open(tmp_path, key_of()).missing(DIGESTS) == []
    assert not isinstance(cache.folder, RemoteFolder)


def test_a_uri_of_an_unknown_scheme_is_refused_without_telling_its_password() -> None:
    with pytest.raises(CacheError, match="cannot be opened") as caught:
        FeatureCache.open("gopher://me:secret@host/caches?token=hidden", key_of())
    assert "gopher://host/caches" in str(caught.value)
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)
