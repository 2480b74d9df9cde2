"""Claims about the prompt encoder: exact, and how much less work than the 77-token path. Random ViT-B/16 weights.

    python -m benchmarks.prompt_encoder                 # about four minutes on 2 cores
    python -m benchmarks.prompt_encoder --classes 7     # one of 7, 65, 345

| line | claim |
|---|---|
| forward, 7, 65 and 345 classes, images batched | at least 25 times the 77-token path, per image |
| forward + backward, one prompt, 7 classes | at least 12 times |
| forward + backward, 12 prompts together, 7 classes | at least 20 times |
| largest difference of unit-norm text features in fp32 | about 4e-6 or less |

Both sides run in one process with the same threads, in turn; a figure is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.claims import Claim, print_table
from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import load_clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower

PACS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
# names of two and three words, as OfficeHome and DomainNet have beside single words
WORDS = ("alarm", "aircraft", "baseball", "birthday", "ceiling", "coffee", "desk", "electrical", "file", "glow", "hot")
NOUNS = ("clock", "carrier", "bat", "cake", "fan", "cup", "lamp", "outlet", "cabinet", "stick", "tub", "cat", "saw")


def class_names(classes: int) -> tuple[str, ...]:
    """PACS's seven, or a mixture of names of one, two and three words."""
    if classes == len(PACS):
        return PACS
    single = [f"{noun}{plural}" for noun in NOUNS for plural in ("", "s")]
    double = [f"{word} {noun}" for word in WORDS for noun in NOUNS]
    triple = [f"The {word} {noun}" for word in WORDS for noun in NOUNS]
    share = classes // 2
    rest = classes - min(share, len(single))
    return tuple(single[:share] + (double + triple)[:rest])


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Wall time of each of some calls."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def ratio(fast: Callable[[], object], plain: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of both, measured in turn after one warm-up each."""
    fast()
    plain()
    fasts, plains = [], []
    for _ in range(rounds):
        fasts += seconds(fast, 1)
        plains += seconds(plain, 1)
    return statistics.median(fasts), statistics.median(plains)


def trained(encoder: PromptEncoder, context_BPW: Tensor, plain: bool) -> None:
    """Text features, and their gradient with respect to the prompts."""
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
    classes: Sequence[int] = (7, 65, 345), images: int = 24, rounds: int = 3, threads: int | None = None
) -> list[Claim]:
    """The claims. `images` are encoded at once; `threads`: None = torch's default."""
    torch.set_num_threads(threads or torch.get_num_threads())
    return [row for count in classes for row in measure_classes(count, images, rounds)]


def measure_classes(count: int, images: int, rounds: int) -> list[Claim]:
    """The claims for so many classes; those of training with PACS's."""
    clip = load_clip(ClipConfig("ViT-B-16", "random"), "cpu")
    tower = text_tower(clip.model)
    tokens = tokenize_classes(clip.tokenizer, class_names(count), 4, tower.context_length)
    encoder = PromptEncoder(tower, tokens)
    random = torch.Generator().manual_seed(0)
    context_BPW = 0.1 * torch.randn(images, 4, tower.width, generator=random)
    with torch.no_grad():
        difference = (encoder(context_BPW[:2]) - F.normalize(encoder.plain(context_BPW[:2]), dim=-1)).abs().max()
        fast, plain = ratio(partial(encoder, context_BPW), partial(encoder.plain, context_BPW[:1]), rounds)
    said = f"ViT-B/16 in fp32, {torch.get_num_threads()} threads"
    remark = f"{said}; largest difference {difference:.1e}"
    claims = [claim(f"forward, {count} classes, {images} images at once", 25, fast / images, plain, remark)]
    for prompts, target in ((1, 12), (12, 20)) if count == len(PACS) else ():
        some = context_BPW[:prompts]
        fast, plain = ratio(
            partial(trained, encoder, some, plain=False), partial(trained, encoder, some[:1], plain=True), rounds
        )
        claims.append(claim(f"forward + backward, prompts: {prompts}", target, fast / prompts, plain, said))
    return claims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="*", default=[7, 65, 345])
    parser.add_argument("--images", type=int, default=24, help="images encoded at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="by default as many as torch takes")
    print_table(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
