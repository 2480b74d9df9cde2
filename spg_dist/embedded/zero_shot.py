"""Zero-shot accuracy of a CLIP on drawings, by domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
from rich.console import Console
from rich.table import Table

from spg_dist.embedded.drawing import draw
from spg_dist.embedded.tiny_clip import TINY_CLIP_NAME
from spg_dist.embedded.vocabulary import DRAWN_CLASSES, DRAWN_DOMAINS

PROMPT = "a photo of a {}."


def load_tiny_clip(config: Path, weights: Path) -> tuple[Any, Any]:
    """The model in eval mode and its image transform, as open_clip builds them from the shipped files.

    Raises:
        ValueError: a file is missing.
    """
    for path in (config, weights):
        if not path.is_file():
            raise ValueError(
                f"{path} is missing: make it anew with `python -m spg_dist.embedded.pretrain --output {path.parent}`"
            )
    open_clip.add_model_config(config)
    model, _, preprocess = open_clip.create_model_and_transforms(
        TINY_CLIP_NAME, pretrained=str(weights), require_pretrained=True
    )
    return model.eval(), preprocess


@torch.inference_mode()
def zero_shot_accuracy(model: Any, preprocess: Any, images_per_class: int, seed: int) -> dict[str, float]:
    """Share (0 to 1) of right answers to "a photo of a {class}." among the classes, by domain.

    Arguments:
        model: an open_clip CLIP in eval mode.
        preprocess: its image transform, from a PIL image to (3, H, W).
        images_per_class: images drawn per class and domain.
        seed: of the drawings; 1 is the data set's own.
    """
    tokens_CL = open_clip.get_tokenizer(TINY_CLIP_NAME)([PROMPT.format(name) for name in DRAWN_CLASSES])
    texts_CD = model.encode_text(tokens_CL, normalize=True)
    accuracies = {}
    for domain in DRAWN_DOMAINS:
        right = 0
        for label, name in enumerate(DRAWN_CLASSES):
            images = [preprocess(draw(name, domain, seed, index)) for index in range(images_per_class)]
            features_BD = model.encode_image(torch.stack(images), normalize=True)
            right += int(((features_BD @ texts_CD.T).argmax(dim=1) == label).sum())
        accuracies[domain] = right / (images_per_class * len(DRAWN_CLASSES))
    return accuracies


def print_table(accuracies: dict[str, float], title: str) -> None:
    """Print accuracies in percent, one row per domain and their average."""
    table = Table(title=title)
    table.add_column("domain")
    table.add_column("zero-shot %", justify="right")
    for domain, accuracy in accuracies.items():
        table.add_row(domain, f"{100 * accuracy:.1f}")
    table.add_row("average", f"{100 * sum(accuracies.values()) / len(accuracies):.1f}", style="bold")
    Console().print(table)
