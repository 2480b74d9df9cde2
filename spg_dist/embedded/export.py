"""Write the trained weights, their image transform and the training log as files that others can open."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from cache.durable import write_text, written_whole
from spg_dist.embedded.tiny_clip import TINY_CLIP_NAME, tiny_clip_files

TOKEN_TABLE = "token_embedding.weight"


class TrainingLog:
    """A CSV file and the same lines on the screen: step, loss, seconds, logit scale, zero-shot accuracy by domain."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)

    def add(self, step: int, loss: float, seconds: float, logit_scale: float, accuracies: dict[str, float]) -> None:
        """Append a line; accuracies are shares from 0 to 1."""
        row = {
            "step": str(step),
            "loss": f"{loss:.4f}",
            "seconds": f"{seconds:.0f}",
            "logit_scale": f"{logit_scale:.2f}",
        }
        row |= {domain: f"{accuracy:.4f}" for domain, accuracy in accuracies.items()}
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def export(model: Any, used_tokens: set[int], folder: Path) -> None:
    """Write `tiny-rn.safetensors` (float16) and `open_clip_config.json` (architecture and image transform).

    Rows of the token table that no caption uses are set to zero: they are untrained noise, and nine tenths of the file.
    """
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    kept_V1 = torch.zeros(len(state[TOKEN_TABLE]), 1)
    kept_V1[sorted(used_tokens)] = 1
    state[TOKEN_TABLE] = state[TOKEN_TABLE] * kept_V1
    halves = {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in state.items()}
    architecture = json.loads(tiny_clip_files()[0].read_text(encoding="utf-8"))
    weights = folder / f"{TINY_CLIP_NAME}.safetensors"
    with written_whole(weights) as unfinished:
        save_file(halves, unfinished, metadata={"quick_gelu": json.dumps(architecture["quick_gelu"]), "format": "pt"})
        unfinished.chmod(0o644)  # safetensors makes files that only their owner can read
    described = {"model_cfg": architecture, "preprocess_cfg": open_clip.get_model_preprocess_cfg(model)}
    text = json.dumps(described, indent=4) + "\n"
    write_text(folder / "open_clip_config.json", text)
