"""Train the tiny CLIP on captioned drawings, from nothing.

    python -m spg_dist.embedded.pretrain --output spg_dist/embedded     makes the shipped files anew
    python -m spg_dist.embedded.pretrain --steps 5 --images 200         quick test, into runs/pretrain
    python -m spg_dist.embedded.pretrain --check                        zero-shot table of the shipped weights

The first took 6 minutes with one thread on a busy 2-core machine. The weights that it made, the shipped ones, answer
"a photo of a {class}." rightly for 66.6 % of art, 66.9 % of cartoon, 90.9 % of photo and 56.9 % of sketch (40 images of
each class and domain, chance 12.5 %). The losses on the way are in tiny-rn-training.csv. Expect other figures on
another machine or with other threads, which round differently.

The weights are those of the last step, and no image of the data set (seed 1) is learnt from. The mix of styles, the
number of images and the steps were chosen, over a few runs, so that every domain ends between 40 and 95 %.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import normalize

from spg_dist.embedded.captions import caption_words
from spg_dist.embedded.export import TrainingLog, export
from spg_dist.embedded.pretraining_data import PRETRAINING_SEED, Drawings, captioned_batch, draw_all
from spg_dist.embedded.tiny_clip import TINY_CLIP_NAME, tiny_clip_files
from spg_dist.embedded.vocabulary import DRAWN_CLASSES
from spg_dist.embedded.zero_shot import load_tiny_clip, print_table, zero_shot_accuracy

HELD_OUT_SEED = 777
"""Of the drawings that the training log is measured on."""

DATASET_SEED = 1


@dataclass(frozen=True)
class PretrainSettings:
    """How long and on how much to train; see the command line's help."""

    steps: int = 700
    images: int = 3200
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    seed: int = PRETRAINING_SEED
    log_every_steps: int = 100
    held_out_images: int = 20

    def __post_init__(self) -> None:
        for name in ("steps", "images", "batch", "log_every_steps", "held_out_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")


def train(settings: PretrainSettings, output: Path) -> list[float]:
    """Train, log and export into `output`; returns the loss of each step."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    model, preprocess = _fresh_model()
    began = time.monotonic()
    drawings = draw_all(settings.images, settings.seed)
    print(f"drew {len(drawings.subjects)} images in {time.monotonic() - began:.0f} s", flush=True)
    optimizer, scheduler = _optimizer(model, settings)
    log, losses = TrainingLog(output / f"{TINY_CLIP_NAME}-training.csv"), []
    began = time.monotonic()
    for step in range(1, settings.steps + 1):
        losses.append(_step(model, optimizer, drawings, settings.batch, rng))
        scheduler.step()
        if step % settings.log_every_steps == 0 or step == settings.steps:
            accuracies = zero_shot_accuracy(model.eval(), preprocess, settings.held_out_images, HELD_OUT_SEED)
            model.train()
            seconds = time.monotonic() - began
            log.add(
                step,
                float(np.mean(losses[-settings.log_every_steps :])),
                seconds,
                float(model.logit_scale.detach().exp()),
                accuracies,
            )
            export(model, _used_tokens(), output)
    return losses


def _fresh_model() -> tuple[Any, Any]:
    open_clip.add_model_config(tiny_clip_files()[0])
    model, _, preprocess = open_clip.create_model_and_transforms(TINY_CLIP_NAME, pretrained=None)
    return model.train(), preprocess


def _optimizer(
    model: Any, settings: PretrainSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW without decay on gains, biases and the logit scale; linear warm-up, then a cosine to zero."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1.0, settings.steps * settings.warmup_share))
        return warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _step(
    model: Any, optimizer: torch.optim.Optimizer, drawings: Drawings, batch: int, rng: np.random.Generator
) -> float:
    images_BCHW, captions, positions_B = captioned_batch(drawings, batch, model.visual.image_size, rng)
    images_BCHW = normalize(images_BCHW, list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD))
    features_BD = model.encode_image(images_BCHW, normalize=True)
    texts_UD = model.encode_text(open_clip.get_tokenizer(TINY_CLIP_NAME)(captions), normalize=True)
    loss = contrastive_loss(features_BD, texts_UD, positions_B, model.logit_scale.exp())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))  # CLIP's own limit
    return float(loss.detach())


def contrastive_loss(features_BD: Tensor, texts_UD: Tensor, positions_B: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric loss where several images may share a caption: a caption's target is spread over its images.

    Arguments:
        features_BD, texts_UD: unit-length features of the images and of the distinct captions.
        positions_B: each image's caption.
        scale: exp(logit_scale).
    """
    logits_BU = scale * features_BD @ texts_UD.T
    owned_UB = F.one_hot(positions_B, len(texts_UD)).T.float()
    shares_UB = owned_UB / owned_UB.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits_BU, positions_B) + F.cross_entropy(logits_BU.T, shares_UB)) / 2


def _used_tokens() -> set[int]:
    tokens_NL = open_clip.get_tokenizer(TINY_CLIP_NAME)(caption_words(DRAWN_CLASSES))
    return {int(token) for token in tokens_NL.unique()}


def check(folder: Path, images_per_class: int) -> dict[str, float]:
    """Print and return the zero-shot accuracy by domain of the files in `folder`, on the data set's own images."""
    config, _ = tiny_clip_files()
    model, preprocess = load_tiny_clip(config, folder / f"{TINY_CLIP_NAME}.safetensors")
    accuracies = zero_shot_accuracy(model, preprocess, images_per_class, DATASET_SEED)
    print_table(accuracies, f"{TINY_CLIP_NAME}, “a photo of a …”, {images_per_class} images per class and domain")
    return accuracies


def _parser() -> argparse.ArgumentParser:
    defaults = PretrainSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(name: str, default: int | float, meaning: str) -> None:
        parser.add_argument(name, type=type(default), default=default, help=f"{meaning} (default {default})")

    add("--steps", defaults.steps, "optimizer steps")
    add("--images", defaults.images, "drawings to learn from")
    add("--batch", defaults.batch, "images per step")
    add("--learning-rate", defaults.learning_rate, "AdamW's peak")
    add("--seed", defaults.seed, "of drawings, captions and weights")
    add("--check-images", 40, "images per class and domain that the table is measured on")
    parser.add_argument("--output", type=Path, default=Path("runs/pretrain"), help="folder (default runs/pretrain)")
    parser.add_argument(
        "--check", action="store_true", help="train nothing, print the shipped weights' zero-shot table"
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command line; see this file's head."""
    parser = _parser()
    given = parser.parse_args(arguments)
    folder = tiny_clip_files()[1].parent
    if not given.check:
        folder = given.output
        try:
            settings = PretrainSettings(given.steps, given.images, given.batch, given.learning_rate, seed=given.seed)
        except ValueError as error:
            parser.error(str(error))
        folder.mkdir(parents=True, exist_ok=True)
        train(settings, folder)
    check(folder, given.check_images)


if __name__ == "__main__":
    main()
