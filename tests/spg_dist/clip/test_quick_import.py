"""What importing the CLIP room imports, and what it leaves out until a model asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEFT_OUT = ("transformers", "timm", "torch._dynamo")

LOADED = f"""
import sys
import spg_dist.clip.load
from spg_dist.clip.config import ClipConfig
spg_dist.clip.load.load_clip(ClipConfig(model="tiny-rn", pretrained="embedded", device="cpu"))
print("open_clip" in sys.modules, "torchvision" in sys.modules, *(name in sys.modules for name in {LEFT_OUT}))
"""

IMPORTED_LATER = """
import spg_dist.clip.load
import torch, torchvision, transformers
print(transformers.__name__)
from torchvision.ops import roi_align
print(roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 3, 3]]), 2).mean().item())
torch.library.opcheck  # torch's compiler, after the stand-in
print(torch._dynamo.utils.is_compile_supported("cpu"))
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
"""

ASKS_FOR_MORE = """
import sys, types
sys.path.insert(0, {folder!r})
import spg_dist.clip
import torchvision
print(torchvision.said)
"""


def said_by(program: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_a_process_that_loads_a_clip_pays_for_no_library_that_it_does_not_use() -> None:
    assert said_by(LOADED) == ["True", "True", "False", "False", "False"]


def test_all_that_was_left_out_can_be_imported_and_used_afterwards() -> None:
    assert said_by(IMPORTED_LATER) == ["transformers", "1.0", "True", "2.0"]


def test_another_torchvision_that_asks_the_compiler_for_more_gets_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("packages")
    (folder / "torchvision.py").write_text("from torch._dynamo.utils import counters\nsaid = type(counters).__name__\n")
    assert said_by(ASKS_FOR_MORE.format(folder=str(folder))) == ["defaultdict"]
