"""Fixtures of the cache's tests."""

from __future__ import annotations

import pytest

from cache import STORES, digest_index


@pytest.fixture(params=STORES.names())
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as long finished when they are digested: nobody can set a ctime, and seconds need not be waited."""
    monkeypatch.setattr(digest_index, "RACY_NS", 0)
