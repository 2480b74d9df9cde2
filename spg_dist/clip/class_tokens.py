"""Class names as tokens that follow a soft prompt: `[SOS] v_1 … v_P  name . [EOT]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClassTokens:
    """Token ids of "X … X name." for every class.

    Arguments:
        tokens_CL: int64, padded to the tower's context length; positions 1..P stand for the soft prompt.
        ends_C: position of each class's end-of-text token.
    """

    names: tuple[str, ...]
    n_ctx: int
    tokens_CL: Tensor
    ends_C: tuple[int, ...]

    @property
    def suffix_lengths(self) -> tuple[int, ...]:
        """Tokens of each class behind the soft prompt: name, full stop, end of text."""
        return tuple(end - self.n_ctx for end in self.ends_C)


def tokenize_classes(tokenizer: Any, names: Sequence[str], n_ctx: int, context_length: int) -> ClassTokens:
    """Tokenize "X … X name." with P = `n_ctx` placeholders (CoOp, section 3; SPG, equation 2).

    Raises:
        ValueError: a name does not fit into `context_length` beside the prompt; a tokenizer would cut it in silence.
    """
    for name in names:
        needed = 1 + n_ctx + len(tokenizer.encode(f"{name}.")) + 1
        if needed > context_length:
            raise ValueError(
                f"class name {name!r} needs {needed} tokens with {n_ctx} context tokens, but the text tower has "
                f"{context_length}: shorten the name or use fewer context tokens (stage1.n_ctx)"
            )
    tokens_CL = tokenizer([" ".join(["X"] * n_ctx + [f"{name}."]) for name in names], context_length=context_length)
    ends_C = tuple(int(end) for end in tokens_CL.argmax(dim=-1))
    return ClassTokens(tuple(names), n_ctx, tokens_CL.to(torch.int64), ends_C)


def check_class_names(tokenizer: Any, names: Sequence[str]) -> None:
    """Raises ValueError where a class name is nothing to the tokenizer, or the same as another."""
    nothing = tuple(tokenizer.encode("."))
    seen: dict[tuple[int, ...], str] = {}
    for name in names:
        tokens = tuple(tokenizer.encode(f"{name}."))
        if tokens == nothing:
            raise ValueError(
                f"class name {name!r} is empty to CLIP's tokenizer, so its text would be that of no class: give its "
                f"folder a name in words"
            )
        other = seen.setdefault(tokens, name)
        if other != name:
            read = tokenizer.decode(tokenizer.encode(name)).strip()
            raise ValueError(
                f"class names {other!r} and {name!r} are one text to CLIP's tokenizer, which reads {read!r} in both: "
                f"no method that reads names can tell them apart. Rename one, or put the images into one class"
            )


def check_texts_fit(tokenizer: Any, template: str, names: Sequence[str], context_length: int) -> None:
    """Raises ValueError where a class name does not fit into a hand-written prompt; it would be cut in silence."""
    for name in names:
        needed = 1 + len(tokenizer.encode(template.format(name))) + 1
        if needed > context_length:
            raise ValueError(
                f"class name {name!r} needs {needed} tokens in {template!r}, but the text tower has {context_length}: "
                f"shorten the name"
            )
