"""Find the weights that a configuration names, and what is known about them."""

from __future__ import annotations

import difflib
import hashlib
import json
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from safetensors import safe_open

from spg_dist.clip.assumed import TRANSFORM
from spg_dist.clip.config import ClipConfig
from spg_dist.embedded import tiny_clip_files
from spg_dist.home import home, resolve
from spg_dist.training.files import save_durably
from spg_dist.user_text import read_user_text

# An OpenAI state dict carries these three numbers as tensors beside the weights; no other CLIP does.
OPENAI_MARKS = ("input_resolution", "context_length", "vocab_size")


@dataclass(frozen=True)
class Weights:
    """Where weights come from.

    Arguments:
        source: what `open_clip.create_model(pretrained=...)` is to load; None = leave the weights random.
        quick_gelu: the activation they were trained with, None where nothing tells.
        preprocess: open_clip preprocess fields (mean, std, interpolation, resize_mode) that travel with them.
        note: one phrase for logs and results.
        untold: fields of TRANSFORM that nothing tells about a file, for which open_clip takes OpenAI's.
    """

    source: str | None
    quick_gelu: bool | None
    note: str
    preprocess: dict[str, Any] = field(default_factory=dict)
    untold: tuple[str, ...] = ()


def find_weights(config: ClipConfig) -> Weights:
    """Resolve `config.pretrained`. Raises ValueError if it is neither a tag of the model nor a readable file."""
    if config.pretrained == "random":
        return Weights(None, None, "random weights")
    if config.pretrained == "embedded":
        return _embedded(config.model)
    name = config.model.replace("/", "-")
    tag = get_pretrained_cfg(name, config.pretrained)
    if tag:
        return Weights(
            config.pretrained, bool(tag.get("quick_gelu", False)), f"open_clip tag {config.pretrained}", dict(tag)
        )
    path = resolve(config.pretrained)
    if not path.is_file():
        raise ValueError(_unknown_weights(config, path))
    return _local_file(path)


def _embedded(model: str) -> Weights:
    config_path, weights_path = tiny_clip_files()
    if model != config_path.stem:
        raise ValueError(
            f"clip.pretrained is embedded, but clip.model is {model}: the embedded weights belong to "
            f"{config_path.stem}. Give a tag, e.g. clip.pretrained=openai, or the path of a weights file"
        )
    stored = json.loads(config_path.read_text(encoding="utf-8"))
    return Weights(
        str(weights_path), bool(stored.get("quick_gelu", False)), "embedded weights", _sidecar(weights_path)[1]
    )


def _local_file(path: Path) -> Weights:
    quick_gelu, preprocess = _sidecar(path)
    untold = tuple(name for name in TRANSFORM if name not in preprocess)
    if path.suffix == ".safetensors":
        try:
            with safe_open(str(path), framework="pt") as stored:
                declared = (stored.metadata() or {}).get("quick_gelu")
        except Exception as error:  # safetensors raises its own SafetensorError, which has no common base
            raise _unreadable(path, error) from error
        quick_gelu = {"true": True, "false": False}.get(declared or "", quick_gelu)
        return Weights(str(path), quick_gelu, f"file {path.name}", preprocess, untold)
    if _is_torchscript(path):
        return Weights(str(_convert_openai_archive(path)), True, f"OpenAI archive {path.name}", preprocess)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a pickle that it then refuses: the error below says so
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch.load has no single error type for a file that is no checkpoint
        raise _unreadable(path, error) from error
    _check_state_dict(path, state)
    if all(mark in state for mark in OPENAI_MARKS):
        return Weights(str(_convert_openai_state(path, state)), True, f"OpenAI state dict {path.name}", preprocess)
    return Weights(str(path), quick_gelu, f"file {path.name}", preprocess, untold)


def _check_state_dict(path: Path, state: object) -> None:
    """Refuse what open_clip could not make sense of: anything but names to tensors, bare or under `state_dict`."""
    weights = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(weights, dict):
        found = f"a {type(weights).__name__}"
    elif not weights:
        found = "no tensors at all"
    else:
        others = [name for name, value in weights.items() if not isinstance(value, torch.Tensor)]
        if not others:
            return
        found = f"{others[0]!r}, which is a {type(weights[others[0]]).__name__}"
    raise ValueError(f"{path} holds {found}, expected a state dict (names to tensors): export `model.state_dict()`")


def _sidecar(path: Path) -> tuple[bool | None, dict[str, Any]]:
    """Activation and preprocessing from an `open_clip_config.json` beside the weights, if there is one."""
    sidecar = path.parent / "open_clip_config.json"
    if not sidecar.is_file():
        return None, {}
    try:
        stored = json.loads(read_user_text(sidecar))
        quick_gelu = bool(stored["model_cfg"].get("quick_gelu", False)) if "model_cfg" in stored else None
        return quick_gelu, dict(stored.get("preprocess_cfg", {}))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{sidecar}, which tells activation and transform of {path.name}, is no open_clip configuration ({error}): "
            f"fix it, or move the weights to a folder of their own"
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _convert_openai_archive(path: Path) -> Path:
    target, digest = _converted(path)
    if not target.exists():
        _store_openai(target, digest, _archived_state(path))
    return target


def _archived_state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict of an OpenAI TorchScript archive. Loading one runs none of its code."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not compare the checksums of tensors
        if damaged:
            raise zipfile.BadZipFile(f"its part {damaged} is damaged")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # torch.jit is deprecated, but OpenAI's files stay as they are
            state: dict[str, torch.Tensor] = torch.jit.load(str(path), map_location="cpu").state_dict()
    except (RuntimeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    missing = [mark for mark in OPENAI_MARKS if mark not in state]
    if missing:
        raise ValueError(
            f"{path} is a TorchScript archive, but not one of OpenAI's CLIP (it lacks {', '.join(missing)})"
        )
    return state


def _convert_openai_state(path: Path, state: dict[str, torch.Tensor]) -> Path:
    target, digest = _converted(path)
    if not target.exists():
        _store_openai(target, digest, state)
    return target


def _converted(path: Path) -> tuple[Path, str]:
    """Where the safetensors of an OpenAI file lie, which is known by its SHA-256."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    _check_published_digest(path, digest)
    return home() / "weights" / f"{path.stem}-{digest[:16]}.safetensors", digest


def _store_openai(target: Path, digest: str, state: dict[str, torch.Tensor]) -> None:
    """Weights without the three marks, which open_clip does not know; the file says that they are QuickGELU."""
    tensors = {name: tensor.clone().contiguous() for name, tensor in state.items() if name not in OPENAI_MARKS}
    save_durably(target, tensors, {"quick_gelu": "true", "source_sha256": digest})


def _check_published_digest(path: Path, digest: str) -> None:
    """OpenAI's download addresses name each archive's SHA-256: an archive of a published name must have that digest."""
    for model in open_clip.list_openai_models():
        url = get_pretrained_cfg(model, "openai").get("url", "")
        parts = url.rsplit("/", 2)
        if len(parts) == 3 and parts[2] == path.name and parts[1] != digest:
            raise ValueError(
                f"{path} has SHA-256 {digest}, but OpenAI published {path.name} with {parts[1]}: the file is damaged "
                f"or altered. Download it again, or rename it if it is meant to differ"
            )


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ValueError(
        f"cannot read weights from {path}: {reason}. Expected "
        f"safetensors, a state dict saved by torch.save, or an OpenAI TorchScript archive"
    )


def _unknown_weights(config: ClipConfig, path: Path) -> str:
    tags = list_pretrained_tags_by_model(config.model.replace("/", "-"))
    near = difflib.get_close_matches(config.pretrained, tags, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"clip.pretrained={config.pretrained!r} is neither a tag of {config.model}{hint} nor a file at {path}. "
        f"Tags of {config.model}: {', '.join(tags) or 'none'}. For untrained weights say clip.pretrained=random"
    )
