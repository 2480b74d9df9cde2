"""Claims about the prompt encoder: exact, and how much less work than the 77-token path. Random ViT-B/16 weights.

    python -m benchmarks.prompt_encoder                 # about four minutes on 2 cores
    python -m benchmarks.prompt_encoder --classes 7     # one of 7, 65, 345

| line | claim |
|---|---|
| forward, 7, 65 and 345 classes, images batched | at least 25 times the 77-token path, per image |
| forward + backward, one prompt, 7 classes | at least 12 times |
| forward + backward, 12 prompts together, 7 classes | at least 20 times |
| largest difference of unit-norm text features in fp32 | about 4e-6 or less |
| forward with `clip.text_precision=bf16` | at least twice as fast as in fp32 on a CPU with AMX |

Both sides run in one process with the same threads, in turn; a figure is the ratio of the medians. The class names are
those of PACS (7), OfficeHome (65) and DomainNet (345).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.claims import Claim, print_table
from benchmarks.class_names import BY_COUNT
from benchmarks.pacs_size import TRAIN
from benchmarks.timing import medians
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import load_clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower


def trained(encoder: PromptEncoder, context_BPW: Tensor, plain: bool, steps: int) -> None:
    """Text features, and their gradient with respect to the prompts."""
    for _ in range(steps):
        context = context_BPW.detach().requires_grad_()
        features = F.normalize(encoder.plain(context), dim=-1) if plain else encoder(context)
        features.square().sum().backward()


def claim(what: str, target: float, fast: float, plain: float, remark: str) -> Claim:
    """One row: seconds an image (or prompt) on both sides, and their ratio."""
    return Claim(
        claim=f"prompt encoder: {what}",
        demand=f"at least {target:g} times the 77-token path, for each image (or prompt)",
        measured=f"{fast * 1e3:.1f} against {plain * 1e3:.0f} ms, {remark}",
        ratio=plain / fast,
        target=target,
    )


def measure(
    classes: Sequence[int] = (7, 65, 345), images: int = 64, rounds: int = 3, threads: int | None = None
) -> list[Claim]:
    """The claims. `images` are encoded at once with 7 classes, fewer with more; `threads`: None = torch's default."""
    torch.set_num_threads(threads or torch.get_num_threads())
    return [row for count in classes for row in measure_classes(count, max(8, images * 7 // count), rounds)]


def measure_classes(count: int, images: int, rounds: int) -> list[Claim]:
    """The claims for so many classes; those of training with PACS's."""
    clip = load_clip(ClipConfig("ViT-B-16", "random"), "cpu")
    tower = text_tower(clip.model)
    tokens = tokenize_classes(clip.tokenizer, BY_COUNT[count], 4, tower.context_length)
    encoder, half = PromptEncoder(tower, tokens), PromptEncoder(tower, tokens, "bf16")
    context_BPW = 0.1 * torch.randn(images, 4, tower.width, generator=torch.Generator().manual_seed(0))
    said = f"ViT-B/16, {torch.get_num_threads()} threads"
    with torch.no_grad():
        exact_BCD = encoder(context_BPW[:2])
        difference = (exact_BCD - F.normalize(encoder.plain(context_BPW[:2]), dim=-1)).abs().max()
        rounding = (exact_BCD - half(context_BPW[:2])).abs().max()
        plain, fast, halved = medians(
            partial(encoder.plain, context_BPW[:1]),
            partial(encoder, context_BPW),
            partial(half, context_BPW),
            rounds=rounds,
        )
    what = f"forward, {count} classes, {images} images at once"
    remark = f"{said}; largest difference {difference:.1e}"
    claims = [claim(what, 25, fast / images, plain, remark), bf16_claim(what, fast / halved, f"{said}, {rounding:.1e}")]
    if count == 7:
        claims += [measure_training(encoder, context_BPW[:prompts], rounds, said) for prompts in (1, 12)]
    return claims


def bf16_claim(what: str, gain: float, remark: str) -> Claim:
    """One row: seconds in fp32 over seconds in bfloat16."""
    return Claim(
        claim=f"prompt encoder in bf16: {what}",
        demand="at least twice as fast as fp32 on a CPU with AMX",
        measured=f"largest difference of the features beside it, {remark}",
        ratio=gain,
        target=2,
    )


def measure_training(encoder: PromptEncoder, context_BPW: Tensor, rounds: int, said: str) -> Claim:
    """Forward and backward of these prompts together, against one on the plain path.

    A turn of ours is an epoch of PACS's smallest domain: its first step finds the caches full of the other side's data,
    which in training it does once an epoch, behind the val split. The plain path is too slow for this to show.
    """
    prompts, steps, plain_steps = len(context_BPW), TRAIN["photo"] // 32, 4
    fast, plain = medians(
        partial(trained, encoder, context_BPW, plain=False, steps=steps),
        partial(trained, encoder, context_BPW[:1], plain=True, steps=plain_steps),
        rounds=rounds,
    )
    what = f"forward + backward, prompts: {prompts}"
    target = 12 if prompts == 1 else 20
    return claim(what, target, fast / prompts / steps, plain / plain_steps, f"{said}, fp32, {steps} steps a turn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="*", default=[7, 65, 345], choices=[7, 65, 345])
    parser.add_argument("--images", type=int, default=64, help="images encoded at once with 7 classes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="by default as many as torch takes")
    print_table(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
