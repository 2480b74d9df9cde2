"""Use a trained generator on any images: no data set, no cache, no cluster."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from blake3 import blake3

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.load import load_clip
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.clip.text_tower import text_tower
from spg_dist.config import load_config
from spg_dist.encode.encoder import ImageEncoder
from spg_dist.encode.transform import ImageTransform
from spg_dist.evaluation.accuracy import predict_from_prompts
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.spg import read_generator
from spg_dist.training.files import write_text
from spg_dist.training.seeds import torch_random

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
IMAGES_AT_ONCE = 256


def find_images(place: Path) -> list[Path]:
    """The image files below a folder, or the one file. Raises ValueError where there is none."""
    if not place.exists():
        raise ValueError(f"{place} does not exist: give an image or a folder of images")
    found = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"no images below {place}: expected files that end in {', '.join(sorted(SUFFIXES))}")
    return found


def predict(folder: RunFolder, spec: RunSpec, images: list[Path]) -> Iterator[tuple[Path, str, str]]:
    """(image, predicted class, reason it was set aside) of each image; one of the last two is empty.

    Arguments:
        spec: the generator; its protocol is taken from the run's configuration.

    Raises:
        ValueError: the run has no such generator.
    """
    if not folder.config.exists():
        raise ValueError(f"{folder.root} holds no run: expected the folder of a finished one, e.g. runs/demo")
    config = load_config(folder.config.read_text(), str(folder.config))
    spec = replace(spec, protocol=config.protocol)
    if not folder.artifact(spec).exists():
        there = ", ".join(sorted(p.stem for p in folder.artifact(spec).parent.glob("*.safetensors"))) or "none"
        raise ValueError(f"{folder.root} has no generator {folder.artifact(spec).stem}; it has: {there}")
    names = folder.classes.read_text().splitlines()
    clip = load_clip(config.clip)
    tower = text_tower(clip.model)
    generator = read_generator(folder.artifact(spec), config.stage2, clip, tower.width)
    n_ctx = generator.prompt_shape[0]
    text = PromptEncoder(tower, tokenize_classes(clip.tokenizer, names, n_ctx, tower.context_length))
    encoder = ImageEncoder(clip, ImageTransform(clip.preprocess), config.encode.batch_size)
    noise = torch_random(spec.seed or 0, "prediction noise")
    for start in range(0, len(images), IMAGES_AT_ONCE):
        some = images[start : start + IMAGES_AT_ONCE]
        encoded = encoder(some, [blake3(str(path).encode()).hexdigest() for path in some])
        said = dict.fromkeys(range(len(some)), "")
        if encoded.kept:
            x_BD = torch.from_numpy(encoded.features_ND).to(clip.device)
            z_BZ = torch.randn(len(x_BD), config.stage2.latent_width, generator=noise).to(clip.device)
            with torch.no_grad():
                classes = predict_from_prompts(generator(z_BZ, x_BD), text, x_BD)
            said |= {i: names[int(k)] for i, k in zip(encoded.kept, classes, strict=True)}
        for i, path in enumerate(some):
            yield path, said[i], encoded.rejected.get(i, "")


def write_predictions(path: Path, rows: Iterator[tuple[Path, str, str]]) -> int:
    """Write a CSV file with columns image, predicted, set_aside; returns the number of rows."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["image", "predicted", "set_aside"])
    written = 0
    for image, predicted, reason in rows:
        writer.writerow([image, predicted, reason])
        written += 1
    write_text(path, stream.getvalue())
    return written
