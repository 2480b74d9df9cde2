"""Plugins are of a process: each test begins and ends without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.extensions import forget_plugins


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    forget_plugins()
    yield
    forget_plugins()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
