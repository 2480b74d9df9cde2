"""Class names as tokens that follow a soft prompt: `[SOS] v_1 … v_P  name . [EOT]`, in SigLIP without the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spg_dist.clip.tokenizer import Tokenizer, frame_of

PLACEHOLDER = "X"


@dataclass(frozen=True)
class ClassTokens:
    """Token ids of "X … X name." for every class.

    Arguments:
        tokens_CL: int64, padded to the tower's context length; positions `before` … `before` + P - 1 stand for the
            soft prompt.
        ends_C: position of each class's end-of-text token.
        before: tokens in front of the soft prompt: CLIP's start token, 0 where the tokenizer has none (SigLIP).
    """

    names: tuple[str, ...]
    n_ctx: int
    tokens_CL: Tensor
    ends_C: tuple[int, ...]
    before: int = 1

    @property
    def suffix_lengths(self) -> tuple[int, ...]:
        """Tokens of each class behind the soft prompt: name, full stop, end of text."""
        return tuple(end + 1 - self.before - self.n_ctx for end in self.ends_C)


def tokenize_classes(tokenizer: Tokenizer, names: Sequence[str], n_ctx: int, context_length: int) -> ClassTokens:
    """Tokenize "X … X name." with P = `n_ctx` placeholders (CoOp, section 3; SPG, equation 2).

    Raises:
        ValueError: a name does not fit into `context_length` with the prompt (a tokenizer would cut it silently),
            or the tokenizer does not read a placeholder as one token.
    """
    frame = frame_of(tokenizer, context_length)
    placeholders = " ".join([PLACEHOLDER] * n_ctx)
    context, texts = tokenizer.encode(placeholders), [f"{placeholders} {name}." for name in names]
    ends_C = []
    for name, text in zip(names, texts, strict=True):
        tokens = tokenizer.encode(text)
        if len(context) != n_ctx or tokens[:n_ctx] != context:
            raise ValueError(
                f"this model's tokenizer does not read {text!r} as {n_ctx} tokens and a name, so a soft prompt has no "
                f"place in it: use methods that learn none (zero-shot, zero-shot-ensemble, linear-probe), or another "
                f"clip.model, e.g. ViT-B-16"
            )
        needed = frame.before + len(tokens) + frame.after
        if needed > context_length:
            raise ValueError(
                f"class name {name!r} needs {needed} tokens with {n_ctx} context tokens, but the text tower has "
                f"{context_length}: shorten the name or use fewer context tokens (stage1.n_ctx)"
            )
        ends_C.append(needed - 1)
    tokens_CL = tokenizer(texts, context_length)
    return ClassTokens(tuple(names), n_ctx, tokens_CL.to(torch.int64), tuple(ends_C), frame.before)


def check_class_names(tokenizer: Tokenizer, names: Sequence[str]) -> None:
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


def check_texts_fit(tokenizer: Tokenizer, template: str, names: Sequence[str]) -> None:
    """Raises ValueError where a class name does not fit into a hand-written prompt; it would be cut in silence."""
    context_length = tokenizer.context_length
    frame = frame_of(tokenizer, context_length)
    for name in names:
        needed = frame.before + len(tokenizer.encode(template.format(name))) + frame.after
        if needed > context_length:
            raise ValueError(
                f"class name {name!r} needs {needed} tokens in {template!r}, but the text tower has {context_length}: "
                f"shorten the name"
            )
