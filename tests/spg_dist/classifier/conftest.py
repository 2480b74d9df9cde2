"""A small text tower in float64, and features of two domains, for classifiers and their slow oracles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIPTextCfg, _build_text_tower

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView

NAMES = ("dog", "alarm clock", "house")
WIDTH, TEXT_WIDTH, N_CTX, IMAGES = 32, 16, 3, 40


@pytest.fixture(scope="session")
def encoder() -> PromptEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        config = CLIPTextCfg(context_length=16, vocab_size=49408, width=TEXT_WIDTH, heads=2, layers=2)
        tower = _build_text_tower(WIDTH, config, quick_gelu=True).eval().requires_grad_(False).double()
    classes = tokenize_classes(open_clip.get_tokenizer("ViT-B-32"), NAMES, N_CTX, 16)
    return PromptEncoder(text_tower(tower), classes)


@pytest.fixture(scope="session")
def table() -> FeatureTable:
    """20 images in each of 2 domains, 3 classes in turn; the last 5 of a domain are its val split."""
    images = tuple(ImageRecord(f"{i}.png", i % 3, i // 20, "train" if i % 20 < 15 else "val") for i in range(IMAGES))
    manifest = Manifest("toy", Path("/nowhere"), NAMES, ("one", "two"), images)
    random = torch.Generator().manual_seed(1)
    centres_CD = torch.randn(3, WIDTH, generator=random)
    features = centres_CD[torch.arange(IMAGES) % 3] + 0.5 * torch.randn(IMAGES, WIDTH, generator=random)
    return FeatureTable(manifest, StoredView(features, torch.arange(IMAGES)), [])


@pytest.fixture
def batch(table: FeatureTable) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features (float64), labels and domains of eight rows, five of one domain and three of the other, mixed."""
    rows = np.array([3, 25, 7, 1, 39, 12, 20, 5])
    return table.features(rows).double(), table.label_N[rows], table.domain_N[rows]
