"""What each part of a run costs here, in seconds, and the same arithmetic done the plain way in the same process.

Shape suffixes: B prompts, P context tokens, W text width.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.encode import PACS_SIDE, encode_speeds
from benchmarks.pacs_size import pacs_size_config, pacs_size_experiment
from benchmarks.timing import medians
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.config import Config
from spg_dist.evaluation.accuracy import accuracy_of_prompts
from spg_dist.gan.training import build_generator
from spg_dist.material import Material
from spg_dist.pipeline.events import EpochDone, Event, fail_at_once
from spg_dist.pipeline.training import train_runs
from spg_dist.plan import plan
from spg_dist.run import runs_of

BATCH = 32
MATRIX = 2048  # rows and columns of the product that stands for the machine's best


@dataclass(frozen=True)
class PartCosts:
    """Seconds.

    Arguments:
        stage1_epoch: all four domains' prompt labels, validation included.
        stage2_epoch: the generators of all four targets, without validation.
        val_image: one image's prompt and its classes' texts; the final test does the same.
        encode_image: from file to cache.
        val_bound: the arithmetic that `val_image` cannot do without, at the speed of one large matrix product.
        plain_image: the same image without a cache and with all 77 positions: image tower, then every class's text.
        plain_stage1_step: 32 images through the image tower, the texts forward and backward.
        plain_encodings: two batches of 32 images through the image tower, as an uncached stage-2 step needs them.
        gigaflops: of the matrix product, in 10^9 operations a second.
    """

    stage1_epoch: float
    stage2_epoch: float
    val_image: float
    encode_image: float
    val_bound: float
    plain_image: float
    plain_stage1_step: float
    plain_encodings: float
    gigaflops: float


def measure_parts(folder: Path, threads: int, device: str, epochs: int, val_images: int, rounds: int) -> PartCosts:
    """Measure all parts on an experiment of PACS's full size, its files below `folder`.

    Arguments:
        epochs: trained in each stage; the first is not counted.
        val_images: images of one pass of validation.
        rounds: in which ours and the plain way take turns.
    """
    torch.set_num_threads(threads)
    config = pacs_size_config(folder, epochs, threads, device)
    stage1_epoch = _epoch_seconds(config, pacs_size_experiment(folder, config), "stage1")
    # without validation: one image a domain, for the loop wants some
    stage2_epoch = _epoch_seconds(config, pacs_size_experiment(folder, config, val_per_domain=1), "stage2")
    encode = encode_speeds(config.clip, BATCH, 2 * BATCH, PACS_SIDE, threads, rounds)
    return PartCosts(
        stage1_epoch=stage1_epoch,
        stage2_epoch=stage2_epoch,
        encode_image=1 / encode.ours,
        **_validation(config, pacs_size_experiment(folder, config), val_images, rounds),
    )


def _epoch_seconds(config: Config, material: Material, stage: str) -> float:
    """Median seconds of an epoch of all runs, the first left out."""
    ended: dict[int, float] = {}

    def listen(event: Event) -> None:
        fail_at_once(event)
        if isinstance(event, EpochDone):
            ended[event.epoch] = time.perf_counter()  # of the last run: they advance in lockstep

    train_runs(runs_of(config, material, getattr(plan(config, material.manifest), stage)), listen)
    return statistics.median(later - earlier for earlier, later in pairwise(ended[epoch] for epoch in sorted(ended)))


def _validation(config: Config, material: Material, images: int, rounds: int) -> dict[str, float]:
    """Seconds of validation by image, of the plain way, and of the arithmetic alone."""
    table, clip = material.table, material.clip
    encoder = material.encoder(config.stage1.n_ctx)
    rows = table.manifest.rows(set(range(4)), {"val"})[:images]
    generator = build_generator(config.stage2, clip.feature_width, config.stage1.n_ctx, material.tower.width)
    generator.to(clip.device).eval()
    z_BZ = torch.randn(len(rows), config.stage2.latent_width, device=clip.device)
    square = torch.rand(MATRIX, MATRIX, device=clip.device)
    pixels = torch.rand(BATCH, 3, 224, 224, device=clip.device)
    context_1PW = 0.05 * torch.randn(1, config.stage1.n_ctx, material.tower.width, device=clip.device)

    @torch.no_grad()
    def ours() -> float:
        return accuracy_of_prompts(generator(z_BZ, table.features(rows)), encoder, table, rows)

    @torch.no_grad()
    def plain_texts() -> float:
        return float(F.normalize(encoder.plain(context_1PW), dim=-1).sum())

    def plain_gradient() -> None:
        F.normalize(encoder.plain(context_1PW.requires_grad_()), dim=-1).sum().backward()

    @torch.no_grad()
    def plain_tower() -> float:
        return float(clip.model.encode_image(pixels).sum())

    @torch.no_grad()
    def product() -> float:
        return float((square @ square)[0, 0])

    val, texts, gradient, tower, matrix = medians(
        ours, plain_texts, plain_gradient, plain_tower, product, rounds=rounds
    )
    per_second = 2 * MATRIX**3 / matrix
    return {
        "val_image": val / len(rows),
        "val_bound": needed_operations(encoder) / per_second,
        "plain_image": tower / BATCH + texts,
        "plain_stage1_step": tower + gradient,
        "plain_encodings": 2 * tower,
        "gigaflops": per_second / 1e9,
    }


def needed_operations(encoder: PromptEncoder) -> float:
    """Additions and multiplications that the texts of one prompt need, whatever the program.

    A token costs 24 W^2 a layer (queries, keys, values 6, output 2, MLP 16) and 4 W for every token that it sees. Not
    needed: positions behind the end of text, the start token, the first layer's queries, keys and values of class
    tokens (no prompt reaches them), and of the last layer all but keys, values and the end-of-text position.
    """
    W, P = encoder.tower.width, encoder.classes.n_ctx
    lengths = encoder.classes.suffix_lengths
    N, C, T = len(encoder.tower.transformer.resblocks), len(lengths), sum(lengths)
    prompt = P * (24 * (N - 1) + 4)
    classes = T * (18 + 24 * (N - 2) + 4) + 20 * C
    seen = P * (P + 3) / 2 + sum(length * (1 + P) + length * (length + 1) / 2 for length in lengths)
    seen_last = sum(1 + P + length for length in lengths)
    return (prompt + classes) * W**2 + 4 * W * (seen * (N - 1) + seen_last) + 2 * C * W**2
