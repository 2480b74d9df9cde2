"""Fixtures of the cache's tests."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["arrow", "lmdb"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)
