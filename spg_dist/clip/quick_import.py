"""Import open_clip without what it drags in and a CLIP seldom needs: together half of a process's start.

transformers (1.5 s) is needed by text models of Hugging Face's hub alone (RoBERTa, mT5), timm (1 s) by the image towers
named after it; `needed` makes up for either. torchvision asks torch's compiler (2.5 s) one question, of operators that
no CLIP uses.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LEFT_OUT = {"transformers": "open_clip.hf_model", "timm": "open_clip.timm_model"}
"""By library, the module of open_clip that looks for it, and is content where it is not installed."""

COMPILER = "torch._dynamo"


class _LeavesOut:
    """A finder that has open_clip's own import find no such library, and torchvision's a stand-in for the compiler."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in LEFT_OUT and _is_importing("open_clip"):
            raise ModuleNotFoundError(f"{name} is left out of open_clip's import", name=name)
        if name == "torchvision" and COMPILER not in sys.modules:
            return _without_compiler(PathFinder.find_spec(name, path, target))
        return None


def _is_importing(name: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def _without_compiler(spec: ModuleSpec | None) -> ModuleSpec | None:
    """The same module, executed while a stand-in takes the compiler's place."""
    loader: Any = spec.loader if spec else None
    if loader is not None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with _stand_in_for_compiler():
                execute(module)

        loader.exec_module = exec_module
    return spec


@contextmanager
def _stand_in_for_compiler() -> Iterator[None]:
    stand_ins = {name: ModuleType(name) for name in (COMPILER, f"{COMPILER}.utils")}

    def leave() -> None:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]

    def is_compile_supported(device: str) -> bool:
        return bool(importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device))

    def another(name: str) -> Any:
        """What a later torchvision may ask for: at the price of the import, but right."""
        if name.startswith("__"):  # asked of every module by `inspect`
            raise AttributeError(name)
        leave()
        return getattr(importlib.import_module(f"{COMPILER}.utils"), name)

    utils = stand_ins[f"{COMPILER}.utils"]
    vars(utils).update(is_compile_supported=is_compile_supported, __getattr__=another)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        leave()


def import_quickly() -> None:
    """Before the first import of open_clip in a process; afterwards it changes nothing."""
    sys.meta_path.insert(0, _LeavesOut())


def needed(library: str) -> None:
    """Have open_clip look again for a library of `LEFT_OUT`. Raises ImportError where it is not installed."""
    importlib.import_module(library)
    importlib.reload(importlib.import_module(LEFT_OUT[library]))  # its classes look their names up in the module
