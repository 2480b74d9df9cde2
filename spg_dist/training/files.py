"""Tensors and their story in one safetensors file, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import blake3
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cache.durable import written_whole


def write_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write `tensors` with `record` (JSON) as the file's metadata; atomic and durable.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing half-written is left.
    """
    plain = {name: _own_memory(tensor) for name, tensor in tensors.items()}
    save_durably(path, plain, {"spg-dist": json.dumps(record), "blake3": _digest(plain)})


def save_durably(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file that is there whole or not at all, after a power cut too.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing half-written is left.
    """
    with written_whole(path) as temporary:
        try:
            save_file(tensors, str(temporary), metadata=metadata)
        except SafetensorError as error:  # its message carries the operating system's, e.g. "No space left on device"
            raise OSError(
                f"cannot write {path}: {error}. Free some space there, then run the same command again"
            ) from error
        temporary.chmod(0o644)  # safetensors makes files that only their owner can read


def _own_memory(tensor: Tensor) -> Tensor:
    """On the CPU and no view of a larger tensor: safetensors refuses tensors that overlap in memory."""
    plain = tensor.detach().cpu().contiguous()
    return plain if plain.untyped_storage().nbytes() == plain.nbytes else plain.clone()


def _digest(tensors: dict[str, Tensor]) -> str:
    """Of the tensors' names and bytes: safetensors itself notices a cut file, but not a flipped bit."""
    digest = blake3.blake3()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and record.

    Raises:
        ValueError: the file is damaged or was not written by `write_tensors`.
    """
    cure = "delete it and run the same command again"
    try:
        with safe_open(str(path), framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
        record = json.loads(metadata.get("spg-dist", "null"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}): {cure}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path} holds no spg-dist record, expected a file written by a run: {cure}")
    if metadata.get("blake3") != _digest(tensors):
        raise ValueError(f"{path} is damaged (its tensors do not have the digest stored with them): {cure}")
    return tensors, record
