"""What importing the CLIP room imports, and what it leaves out until a model asks for it."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys
import spg_dist.clip.load
print("open_clip" in sys.modules, "transformers" in sys.modules)
import transformers
print(transformers.__name__)
"""


def test_no_process_pays_for_transformers_and_others_can_import_it() -> None:
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "False", "transformers"]
