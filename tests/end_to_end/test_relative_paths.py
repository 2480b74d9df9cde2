"""Relative paths in a job lead to the home folder, in the driver and in workers, whose own folders are others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spg_dist.distributed.local_head import LocalHead
from spg_dist.embedded import tiny_clip_files

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_workers_find_weights_and_images_given_by_relative_paths(head: LocalHead, home: Path, tmp_path: Path) -> None:
    weights = home / "mine" / "weights.safetensors"
    weights.parent.mkdir()
    shutil.copy(tiny_clip_files()[1], weights)
    settings = ["clip.pretrained=mine/weights.safetensors", "cache.root=mine/cache", "data.images_per_class=4"]
    log = tmp_path / "job.log"
    with log.open("wb") as stream:
        entrypoint = ["python", "jobs/encode.py", "name=relative", *settings]
        job = head.submit(REPOSITORY, entrypoint, "relative-paths", stdout=stream)
    assert job.wait(120) == 0, log.read_text()
    assert "128 features encoded" in log.read_text()
    assert list((home / "mine" / "cache").iterdir())
