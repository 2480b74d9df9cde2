"""Fixtures that more than one room of tests needs."""

from __future__ import annotations

import os
from pathlib import Path

# Tests compute on tiny tensors, for which threads cost more than they give; torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `../shared` beside the checkout: real PACS images, published prompt labels, golden records."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "pacs-mini").is_dir():
        pytest.skip(f"needs the shared data (pacs-mini, goldens) in {folder}, which is not there")
    return folder
