"""What a power cut may leave depends on the order of fsync and rename alone; this is the order."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from cache import FeatureCache
from cache.lmdb.environment import LmdbFile
from cache.testing.material import digests_of, key_of, rows_of


@pytest.fixture
def durable_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every fsync, rename and removal from now on, by kind of file."""
    calls: list[str] = []
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def kind(path: str | os.PathLike[str]) -> str:
        name = Path(path).name
        return re.sub(r"[0-9a-f]{32}", "<name>", "temporary" if name.startswith(".tmp-") else name)

    def recording_fsync(descriptor: int) -> None:
        calls.append(f"fsync {kind(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        fsync(descriptor)

    def recording_replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        calls.append(f"rename to {kind(target)}")
        replace(source, target)

    def recording_unlink(path: str | os.PathLike[str]) -> None:
        unlink(path)
        calls.append(f"remove {kind(path)}")

    monkeypatch.setattr(os, "unlink", recording_unlink)
    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)
    return calls


WRITE_SHARD = [
    "fsync temporary", "rename to <name>.arrow", "fsync arrow",
    "fsync temporary", "rename to <name>.json", "fsync arrow",
]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is")
def test_data_is_on_disk_before_its_name_and_its_name_before_its_entry(
    tmp_path: Path, durable_calls: list[str]
) -> None:
    cache = FeatureCache.open(tmp_path, key_of())
    cache.write_shard(digests_of(3), rows_of(digests_of(3)))
    durable_calls.clear()
    cache.write_shard(digests_of(6), rows_of(digests_of(6)))
    assert durable_calls == WRITE_SHARD
    durable_calls.clear()
    cache.compact()
    assert durable_calls == [*WRITE_SHARD, *["remove <name>.json"] * 2], "the old entries go last"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is")
def test_the_seal_of_an_lmdb_store_goes_for_sure_before_a_page_changes(
    tmp_path: Path, durable_calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache.open(tmp_path, key_of(), store="lmdb")
    cache.write_shard(digests_of(3), rows_of(digests_of(3)))
    durable_calls.clear()
    committed = LmdbFile._committed

    def recording_commit(self: LmdbFile, change: Any) -> Any:
        def recording_change(*databases: Any) -> Any:
            durable_calls.append("change pages")
            return change(*databases)

        return committed(self, recording_change)

    monkeypatch.setattr(LmdbFile, "_committed", recording_commit)
    cache.write_shard(digests_of(6), rows_of(digests_of(6)))
    assert durable_calls == [
        "remove pages.xxh3", "fsync lmdb", "change pages",
        "fsync temporary", "rename to pages.xxh3", "fsync lmdb",
    ]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is")
def test_new_folders_are_made_durable_too(tmp_path: Path, durable_calls: list[str]) -> None:
    FeatureCache.open(tmp_path / "new" / "root", key_of()).write_shard(digests_of(1), rows_of(digests_of(1)))
    assert {"fsync new", "fsync root", f"fsync {tmp_path.name}"} <= set(durable_calls)
