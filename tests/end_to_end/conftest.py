"""A real Ray head, and the pipeline's files seen from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spg_dist.distributed.local_head import LocalHead, local_head


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the jobs' relative paths are resolved against."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package")
def head(home: Path) -> Iterator[LocalHead]:
    """A head for all tests of this folder."""
    before = os.environ.get("SPG_HOME")
    os.environ["SPG_HOME"] = str(home)
    try:
        with local_head() as running:
            yield running
    finally:
        if before is None:
            del os.environ["SPG_HOME"]
        else:
            os.environ["SPG_HOME"] = before
