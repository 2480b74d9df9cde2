"""A tiny SigLIP: timm's image tower, texts without a start token or a causal mask, a tokenizer of the hub's kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

CONTEXT_LENGTH = 14
WORDS = ("a", "photo", "of", "an", "image", "the", "dog", "ox", "alarm", "clock", "chair", "cup", "fish", "x")


def write_tokenizer(folder: Path, placeholder: bool = True, first_marked: bool = True, start: bool = False) -> Path:
    """A tokenizer like SigLIP's: subwords with a mark before each word, `</s>` at the end and as padding.

    Arguments:
        placeholder: whether "x" is one token; without it, it is a mark and a letter.
        first_marked: whether a text's first word has a mark too; SigLIP 2's has none.
        start: whether texts begin with `<s>`.
    """
    letters = [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    words = [word for word in WORDS if placeholder or word != "x"]
    pieces = [(f"▁{word}", -2.0) for word in words] + [(word, -2.0) for word in words if len(word) > 1]
    specials = ["<unk>", "</s>", "<s>"]
    tokenizer = Tokenizer(models.Unigram([*((name, 0.0) for name in specials), *letters, *pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if first_marked else "never")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if start else "$A </s>", special_tokens=[("</s>", 1), ("<s>", 2)]
    )
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="</s>", sep_token="</s>"
    )
    whole.save_pretrained(str(folder))
    return folder


def siglip_config(tokenizer: Path, **text: Any) -> dict[str, Any]:
    """Changes to the tests' tiny configuration, as `tiny_model_name` takes them; `text` is laid over its text_cfg."""
    return {
        "embed_dim": 64,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": 64,
            "hf_tokenizer_name": str(tokenizer),
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
            **text,
        },
    }
