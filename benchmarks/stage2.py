"""Stage 2's training loop against a bare hand-written PyTorch loop with the same arithmetic: at least 0.9 of its speed.

    python -m benchmarks.stage2                       # about a minute on 2 cores
    python -m benchmarks.stage2 --device cuda --steps 500

Networks of the paper's size (ViT-B: D = W = 512, 4 context tokens, latent width 100), batch 32, 5,557 training features
of three domains in memory, as PACS has them when art is left out. The bare loop has no seeds per purpose, no views, no
history and no checkpoint. Both run in turn in one process; a figure is the median over the rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.claims import Claim, print_table
from benchmarks.class_names import BY_COUNT
from benchmarks.timing import medians
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import load_clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.data import ImageRecord, Manifest
from spg_dist.features import FeatureTable, StoredView
from spg_dist.gan.clipping import discriminator_limits, generator_limits
from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.training import GeneratorRun, GeneratorTraining, build_generator
from spg_dist.generators import SLOPE, Sizes
from spg_dist.generators.mlp import BATCH_NORM_EPS

FEATURES, WIDTH, N_CTX, DOMAINS, BATCH = 5557, 512, 4, 3, 32


def bare_loop(
    config: GanConfig, x_ND: Tensor, domain_N: Tensor, labels_KPW: Tensor, limits: list[list[float]]
) -> Callable[[int], None]:
    """Steps as one would write them in a notebook."""
    layers: list[nn.Module] = [nn.Linear(config.latent_width + WIDTH, config.g_widths[0]), nn.LeakyReLU(SLOPE)]
    for narrow, wide in zip(config.g_widths[:-1], config.g_widths[1:], strict=True):
        layers += [nn.Linear(narrow, wide), nn.BatchNorm1d(wide, BATCH_NORM_EPS), nn.LeakyReLU(SLOPE)]
    generator = nn.Sequential(*layers, nn.Linear(config.g_widths[-1], N_CTX * WIDTH), nn.Tanh()).to(x_ND.device)
    u, p = config.d_width, config.dropout
    discriminator = nn.Sequential(
        *(nn.Linear(N_CTX * WIDTH + WIDTH, u), nn.LeakyReLU(SLOPE)),
        *(nn.Linear(u, u), nn.Dropout(p), nn.LeakyReLU(SLOPE), nn.Linear(u, u), nn.Dropout(p), nn.LeakyReLU(SLOPE)),
        nn.Linear(u, 1),
    ).to(x_ND.device)
    optimizers = [
        torch.optim.AdamW(net.parameters(), lr=1e-5, weight_decay=config.weight_decay, fused=True)
        for net in (generator, discriminator)
    ]

    def update(net: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, most: list[float]) -> None:
        optimizer.zero_grad()
        loss.backward()
        for parameter, limit in zip(net.parameters(), most, strict=True):
            nn.utils.clip_grad_norm_(parameter, limit)
        optimizer.step()

    def run(steps: int) -> None:
        generator.train()
        order = torch.randperm(len(x_ND), device=x_ND.device)
        total = torch.zeros(2, device=x_ND.device)
        for step in range(steps):
            start = step * BATCH % (len(x_ND) - BATCH)
            real, fake = order[start : start + BATCH], torch.randint(len(x_ND), (BATCH,), device=x_ND.device)
            labels = labels_KPW[domain_N[real]].flatten(1)
            z = torch.randn(BATCH, config.latent_width, device=x_ND.device)
            prompts = generator(torch.cat([z, x_ND[fake]], 1))
            valid = discriminator(torch.cat([labels, x_ND[real]], 1))
            invalid = discriminator(torch.cat([prompts.detach(), x_ND[fake]], 1))
            d_loss = F.mse_loss(valid, torch.ones_like(valid)) + F.mse_loss(invalid, torch.zeros_like(invalid))
            update(discriminator, optimizers[1], d_loss, limits[1])
            valid = discriminator(torch.cat([prompts, x_ND[fake]], 1))
            g_loss = F.mse_loss(valid, torch.ones_like(valid))
            update(generator, optimizers[0], g_loss, limits[0])
            total += torch.stack([g_loss.detach(), d_loss.detach()])
        total.tolist()

    return run


@dataclass(frozen=True)
class Material:
    """Random features of the size of PACS's three sources, prompt labels, and the text side of a random ViT-B/32."""

    table: FeatureTable
    labels_KPW: Tensor
    encoder: PromptEncoder

    def run(self, config: GanConfig, steps: int, seed: int) -> GeneratorRun:
        """A run with so many steps an epoch."""
        rows = np.arange(FEATURES)
        judged = rows[:32]
        digests = [str(row) for row in judged]
        return GeneratorRun(
            config, self.table, rows[: steps * BATCH], judged, digests, self.labels_KPW, self.encoder, seed
        )


def material(device: str) -> Material:
    random = torch.Generator().manual_seed(0)
    x_ND = F.normalize(torch.randn(FEATURES, WIDTH, generator=random), dim=-1)
    images = tuple(ImageRecord(str(i), i % 7, i % DOMAINS, "train") for i in range(FEATURES))
    manifest = Manifest("random", Path(), BY_COUNT[7], tuple("xyz"), images)
    table = FeatureTable(manifest, StoredView(x_ND.to(device), torch.arange(FEATURES)), [], device)
    labels_KPW = 0.05 * torch.randn(DOMAINS, N_CTX, WIDTH, generator=random)
    clip = load_clip(ClipConfig("ViT-B-32", "random"), device)
    tower = text_tower(clip.model)
    encoder = PromptEncoder(tower, tokenize_classes(clip.tokenizer, manifest.class_names, N_CTX, tower.context_length))
    return Material(table, labels_KPW, encoder)


def measure(steps: int = 100, rounds: int = 5, threads: int = 1, device: str = "cpu") -> list[Claim]:
    """The claim. `steps`: of one round."""
    torch.set_num_threads(threads)
    given, config = material(device), GanConfig()
    run = given.run(config, steps, seed=1)
    ours = GeneratorTraining([run])
    generator = build_generator(config, WIDTH, N_CTX, WIDTH)
    discriminator = Discriminator(Sizes(WIDTH, N_CTX, WIDTH), config.d_width, config.dropout)
    limits = [
        generator_limits(generator, config.clip_norms),
        discriminator_limits(discriminator, config.clip_norms),
    ]
    table = given.table
    bare = bare_loop(config, table.plain.features_MD, table.domain_N, given.labels_KPW.to(device), limits)
    steps = run.steps
    mine, theirs = medians(lambda: ours.train_epoch({0: 0}), lambda: bare(steps), rounds=rounds)
    mine, theirs = mine / steps, theirs / steps
    return [
        Claim(
            claim="stage 2: steps per second, one run",
            demand="at least 0.9 of a bare hand-written loop with the same arithmetic",
            measured=f"{1 / mine:.1f} against {1 / theirs:.1f} steps/s, {device}, {threads} threads",
            ratio=theirs / mine,
            target=0.9,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="steps in one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    print_table(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
