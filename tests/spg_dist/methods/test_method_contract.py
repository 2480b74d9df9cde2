"""Every method of ours keeps the contract that is shipped for others' methods."""

from __future__ import annotations

from typing import Any

import pytest

from spg_dist.methods import METHODS, Method
from spg_dist.testing.methods import MethodContract


class TestOurMethods(MethodContract):
    settings = (
        "stage1.epochs=2",
        "stage2.epochs=3",
        "stage2.batch_size=8",
        "coop.epochs=2",
        "cocoop.epochs=2",
        "dpl.epochs=2",
        "linear_probe.epochs=2",
    )

    @pytest.fixture(params=METHODS.names())
    def method(self, request: pytest.FixtureRequest) -> Method[Any]:
        return METHODS[str(request.param)]
