"""Keeps a Ray head on 127.0.0.1. Python imports this by itself where its folder is on PYTHONPATH.

Left to itself, Ray (2.60) replaces a loopback address by the machine's own in each of its processes, and its servers
then listen to everybody. No public switch prevents it, so the one function that replaces is replaced, where the
environment asks for it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

MODULE = "ray._private.services"


class KeepLoopback(importlib.abc.MetaPathFinder):
    """Lets the module be found as always, and mends it once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def load_and_mend(module: ModuleType) -> None:
            load(module)
            module.resolve_ip_for_localhost = lambda host: host  # type: ignore[attr-defined]

        spec.loader.exec_module = load_and_mend  # type: ignore[method-assign]
        return spec


if os.environ.get("SPG_RAY_LOOPBACK") == "1":
    sys.meta_path.insert(0, KeepLoopback())
