"""Golden records: numbers made by running the published implementation (see the README beside them)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

Record = dict[str, np.ndarray]


@cache
def _read(path: Path) -> Record:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="session")
def golden(shared_dir: Path) -> Callable[[str], Record]:
    """Arrays of one record by the file's stem; skips where the record is not there."""

    def read(stem: str) -> Record:
        path = shared_dir / "goldens" / f"{stem}.npz"
        if not path.is_file():
            pytest.skip(f"needs the golden record {path}, which is not there")
        return _read(path)

    return read


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The records were made with one thread; tensors this small are no faster with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
