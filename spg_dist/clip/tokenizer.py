"""The tokenizers of open_clip's models: its own, and those of Hugging Face's hub (SigLIP, CLIPA, multilingual ones)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import open_clip
from huggingface_hub import constants
from torch import Tensor

from spg_dist.clip.fetching import first_line, require_hub
from spg_dist.clip.quick_import import needed


class Tokenizer(Protocol):
    """What open_clip's own tokenizer offers."""

    context_length: int

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> Tensor:
        """Token ids (N, L) of cleaned texts with all that the text tower expects around them; cut where too long."""

    def encode(self, text: str) -> list[int]:
        """Token ids of the cleaned text alone."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that tokens were read from."""


class HubTokenizer:
    """A tokenizer of the hub, as open_clip wraps it, with the methods of open_clip's own tokenizer."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self.context_length: int = wrapped.context_length

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> Tensor:
        token_ids: Tensor = self._wrapped(texts, context_length)
        return token_ids

    def encode(self, text: str) -> list[int]:
        cleaned = self._wrapped.clean_fn(text)
        return list(self._wrapped.tokenizer(cleaned, add_special_tokens=False, verbose=False).input_ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._wrapped.tokenizer.decode(tokens))


def load_tokenizer(model: str, text_config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of an open_clip model.

    Arguments:
        text_config: the model's `text_cfg`.

    Raises:
        ValueError: the hub's tokenizer is not on this machine and cannot be fetched.
    """
    place = text_config.get("hf_tokenizer_name")
    if not place:
        own: Tokenizer = open_clip.get_tokenizer(model)
        return own
    try:
        if not Path(place).is_dir():
            require_hub(f"{place}/tokenizer_config.json")
        return HubTokenizer(open_clip.get_tokenizer(model))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"clip.model={model} reads its texts with the tokenizer {place}, which cannot be loaded: "
            f"{first_line(error)}. It would be kept in {constants.HF_HUB_CACHE}. Check the network, or copy that "
            f"folder from a machine where open_clip has loaded it"
        ) from error


def require_text_libraries(model: str, text_config: Mapping[str, Any]) -> None:
    """Import what a model's texts need beyond open_clip.

    Raises:
        ValueError: it is a library that an extra of this package installs.
    """
    from_hub = text_config.get("hf_model_name") or text_config.get("hf_tokenizer_name")
    if from_hub and importlib.util.find_spec("transformers") is None:
        raise ValueError(
            f"clip.model={model} reads its texts with {from_hub} of Hugging Face, for which transformers is not "
            f"installed: pip install 'spg-dist[siglip]'"
        )
    if text_config.get("hf_model_name"):
        needed("transformers")


@dataclass(frozen=True)
class Frame:
    """How many tokens a tokenizer sets before a text and after it, e.g. a start token and an end-of-text token."""

    before: int
    after: int


def frame_of(tokenizer: Tokenizer, context_length: int) -> Frame:
    """Found by reading a text that is too long by itself.

    Raises:
        ValueError: the text's own tokens do not stand together near the start.
    """
    text = " ".join(["X"] * (context_length + 1))
    own, framed = tokenizer.encode(text), tokenizer([text], context_length)[0].tolist()
    for before in (0, 1, 2):
        kept = next((k for k, (a, b) in enumerate(zip(framed[before:], own, strict=False)) if a != b), None)
        kept = context_length - before if kept is None else kept
        if kept:
            return Frame(before, context_length - before - kept)
    raise ValueError(
        f"this model's tokenizer reads {text[:9]!r} ... as {framed[:5]} ..., in which the text's own tokens "
        f"({own[:3]} ...) are not found: use another clip.model, e.g. ViT-B-16"
    )
