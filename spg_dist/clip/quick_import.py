"""Keep open_clip from importing transformers, where that is installed: it takes 1.5 s a process, and no CLIP needs it.

Only text models of Hugging Face's hub do (RoBERTa, mT5), and then `with_text_models_of_the_hub` makes up for it.
Tokenizers of the hub import it themselves.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

LEFT_OUT = "transformers"


class _LeavesOut:
    """A finder that has open_clip's own import, and no other, find no transformers."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        importing = getattr(getattr(sys.modules.get("open_clip"), "__spec__", None), "_initializing", False)
        if name == LEFT_OUT and importing:
            raise ModuleNotFoundError(f"{LEFT_OUT} is left out of open_clip's import", name=LEFT_OUT)


def leave_out_transformers() -> None:
    """Before the first import of open_clip in a process; afterwards it changes nothing."""
    sys.meta_path.insert(0, _LeavesOut())


def with_text_models_of_the_hub() -> None:
    """Have open_clip look for transformers again. Raises ImportError where it is not installed."""
    importlib.import_module(LEFT_OUT)
    importlib.reload(importlib.import_module("open_clip.hf_model"))  # its classes look their names up in the module
