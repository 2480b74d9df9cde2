"""Tiny CLIPs with random weights, built by open_clip from configurations of their own."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

CONTEXT_LENGTH = 28

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": CONTEXT_LENGTH, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3},
}


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`config` with `changes` laid over it, branch by branch."""
    result = copy.deepcopy(config)
    for name, value in changes.items():
        result[name] = merged(result.get(name, {}), value) if isinstance(value, dict) else value
    return result


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(one_thread: None, request: pytest.FixtureRequest) -> None:
    """For tests of bits, which the order of a sum decides, and so may the threads that share it."""
    torch.set_num_threads(request.param)


@pytest.fixture(scope="session")
def tiny_model_name(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Registers a tiny configuration with changes; returns its name for open_clip, the same for the same changes."""
    folder: Path = tmp_path_factory.mktemp("models")

    def register(**changes: Any) -> str:
        config = merged(TINY, changes)
        name = f"test-tiny-{zlib.crc32(json.dumps(config, sort_keys=True).encode()):x}"
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(config))
            open_clip.add_model_config(path)
        return name

    return register


@pytest.fixture(scope="session")
def tiny_clip(tiny_model_name: Callable[..., str]) -> Callable[..., Any]:
    """A frozen tiny model whose weights are random everywhere, biases and scales too, so that no term can be forgotten.

    The same arguments give the same object: tests read it only.
    """
    built: dict[str, Any] = {}

    def get(dtype: torch.dtype = torch.float32, force_custom_text: bool = False, **changes: Any) -> Any:
        key = json.dumps([str(dtype), force_custom_text, changes], sort_keys=True)
        if key not in built:
            built[key] = build(force_custom_text, changes).to(dtype).eval().requires_grad_(False)
        return built[key]

    def build(force_custom_text: bool, changes: dict[str, Any]) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            model = open_clip.create_model(tiny_model_name(**changes), force_custom_text=force_custom_text)
            for name, parameter in model.named_parameters():
                if parameter.ndim == 1 and not name.endswith("logit_scale"):
                    torch.nn.init.normal_(parameter, mean=float("ln" in name or "norm" in name), std=0.1)
                elif "embedding" in name:
                    torch.nn.init.normal_(parameter, std=0.5)
        return model

    return get
