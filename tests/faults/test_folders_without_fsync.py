"""Where folders cannot be fsynced (CIFS, FUSE) caches and runs are written; where files cannot, it is an error."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from cache import FeatureCache, FeatureKey
from spg_dist.training.files import read_tensors, write_tensors

KEY = FeatureKey(backbone="b", transform="t", dtype="float32", width=3)
DIGESTS = [f"{i:064x}" for i in range(4)]


def refuse(monkeypatch: pytest.MonkeyPatch, number: int, folders: bool) -> None:
    """fsync fails with an error for all folders, or for all files."""
    fsync = os.fsync

    def refusing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
@pytest.mark.parametrize("store", ["arrow", "lmdb"])
def test_a_cache_is_written_and_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, number: int
) -> None:
    refuse(monkeypatch, number, folders=True)
    cache = FeatureCache.open(tmp_path / "cache", KEY, store=store)  # type: ignore[arg-type]
    for start in (0, 2):
        cache.write_shard(DIGESTS[start : start + 2], np.eye(3, dtype=np.float32)[:2])
    cache.compact()
    assert cache.missing(DIGESTS) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_run_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse(monkeypatch, number, folders=True)
    write_tensors(tmp_path / "run.safetensors", {"x": torch.ones(2)}, {"a": 1})
    assert read_tensors(tmp_path / "run.safetensors")[1] == {"a": 1}


@pytest.mark.parametrize(("folders", "number"), [(False, errno.EINVAL), (True, errno.EIO), (False, errno.EIO)])
def test_any_other_failure_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: bool, number: int
) -> None:
    refuse(monkeypatch, number, folders)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_tensors(tmp_path / "run.safetensors", {"x": torch.ones(2)}, {})
