"""Tensors and their story in one safetensors file, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import Any

import blake3
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cache.folder import sync


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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            save_file(tensors, str(temporary), metadata=metadata)
        except SafetensorError as error:  # its message carries the operating system's, e.g. "No space left on device"
            raise OSError(
                f"cannot write {path}: {error}. Free some space there, then run the same command again"
            ) from error
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def remove_leftovers(path: Path) -> None:
    """Delete what writers of `path` left unfinished when they were killed. Nobody may be writing it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


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


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
