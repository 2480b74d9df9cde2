"""Fixtures that more than one room of tests needs."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `../shared` beside the checkout: real PACS images, published prompt labels, golden records."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "pacs-mini").is_dir():
        pytest.skip(f"needs the shared data (pacs-mini, goldens) in {folder}, which is not there")
    return folder
