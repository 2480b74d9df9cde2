"""Where a soft prompt starts."""

from __future__ import annotations

import torch
from torch import Tensor

from spg_dist.clip.text_tower import TextTower
from spg_dist.clip.tokenizer import Tokenizer
from spg_dist.material import Material
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.training.seeds import torch_random


def initial_prompt(tower: TextTower, tokenizer: Tokenizer, text: str, n_ctx: int, seed: int) -> Tensor:
    """The first prompt (P, W): the token embeddings of `text`, or random where `text` is empty.

    Raises:
        ValueError: `text` does not have exactly `n_ctx` tokens.
    """
    if not text:
        return 0.02 * torch.randn(n_ctx, tower.width, generator=torch_random(seed, "initial prompt"))
    tokens = tokenizer.encode(text)
    if len(tokens) != n_ctx:
        raise ValueError(
            f"initial_text {text!r} has {len(tokens)} tokens, but n_ctx is {n_ctx}: make them equal, "
            f'or start from random values with initial_text=""'
        )
    with torch.no_grad():
        embeddings: Tensor = tower.token_embedding(torch.tensor(tokens, device=tower.token_embedding.weight.device))
    return embeddings.clone().cpu()


def first_prompt(material: Material, settings: SoftPromptConfig, seed: int) -> Tensor:
    """The same with the material's text tower. Raises ValueError as `initial_prompt` does."""
    return initial_prompt(material.tower, material.clip.tokenizer, settings.initial_text, settings.n_ctx, seed)


def check_initial_text(material: Material, branch: str, settings: SoftPromptConfig) -> None:
    """Raises ValueError, with the branch of the configuration, where the text does not fit the number of tokens."""
    try:
        first_prompt(material, settings, seed=0)
    except ValueError as error:
        raise ValueError(f"{branch}: {error}") from error
