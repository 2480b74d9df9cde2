"""A small data set, a random tiny CLIP and an encode job in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path

import pytest
from encode_material import RANDOM_CLIP, Encode, Encoded
from rich.console import Console
from small_images import write_images

from spg_dist.clip.load import Clip
from spg_dist.data import DataConfig, load_manifest
from spg_dist.encode.config import CacheConfig, EncodeConfig
from spg_dist.encode.job import EncodeJob
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard, loaded_clip
from spg_dist.progress import Display


@pytest.fixture(scope="session")
def clip() -> Clip:
    """The embedded architecture (64-px images, features of width 128) with random weights."""
    return loaded_clip(RANDOM_CLIP)


@pytest.fixture
def encode(clip: Clip, tmp_path: Path) -> Encode:
    """`encode(root, cache=..., **settings)` brings a folder into a cache below tmp_path."""

    def run(
        root: Path,
        cache: str = "cache",
        store: str = "arrow",
        dtype: str = "float16",
        share: float = 0.01,
        with_clip: Clip = clip,
        run_task: Callable[[ShardTask], ShardReport] = encode_shard,
        **settings: int | str,
    ) -> Encoded:
        tasks: list[ShardTask] = []

        def run_tasks(given: list[ShardTask]) -> Iterable[ShardReport]:
            tasks.extend(given)
            return map(run_task, given)

        manifest = load_manifest(DataConfig(dataset="folder", root=str(root)), tmp_path / "splits")
        job = EncodeJob(
            manifest=manifest,
            clip=with_clip,
            clip_config=RANDOM_CLIP,
            config=EncodeConfig(**{"batch_size": 8, **settings}),
            cache=CacheConfig(root=str(tmp_path / cache), store=store, dtype=dtype),  # type: ignore[arg-type]
            max_set_aside_share=share,
            run_tasks=run_tasks,
            display=Display(Console(file=StringIO())),
        )
        return Encoded(*job.run(), tasks)

    return run


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 pictures, 3 domains, 3 classes; not to be changed by a test."""
    return write_images(tmp_path_factory.mktemp("images") / "set")
