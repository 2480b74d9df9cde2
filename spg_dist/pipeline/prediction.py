"""Use a trained generator on any images: no data set, no cache, no cluster."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
from spg_dist.evaluation.accuracy import cosines
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


@dataclass(frozen=True)
class Prediction:
    """What is said of one image.

    Arguments:
        predicted: class name; empty where the image cannot be read.
        score: probability of that class (0 to 1) under softmax(exp(logit_scale) · cosines); None where there is none.
        set_aside: why the image cannot be read; else empty.
    """

    image: Path
    predicted: str
    score: float | None
    set_aside: str


def predict(folder: RunFolder, spec: RunSpec, images: list[Path]) -> Iterator[Prediction]:
    """Classify images with one generator of a run.

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
        raise ValueError(
            f"{folder.root} has no generator for target {spec.where!r}, seed {spec.seed}; "
            f"{_generators_in_words(folder.artifact(spec).parent, config.protocol)}"
        )
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
        said: dict[int, tuple[str, float | None]] = dict.fromkeys(range(len(some)), ("", None))
        if encoded.kept:
            x_BD = torch.from_numpy(encoded.features_ND).to(clip.device)
            z_BZ = torch.randn(len(x_BD), config.stage2.latent_width, generator=noise).to(clip.device)
            with torch.no_grad():
                logits_BC = clip.logit_scale * cosines(generator(z_BZ, x_BD), text, x_BD)
            score_B, class_B = logits_BC.softmax(dim=-1).max(dim=-1)
            found = zip(encoded.kept, class_B.tolist(), score_B.tolist(), strict=True)
            said |= {i: (names[k], score) for i, k, score in found}
        for i, path in enumerate(some):
            yield Prediction(path, *said[i], encoded.rejected.get(i, ""))


def _generators_in_words(folder: Path, protocol: str) -> str:
    """What can be asked for, by the names to type."""
    stems = sorted(path.stem.removeprefix(f"{protocol}-") for path in folder.glob(f"{protocol}-*.safetensors"))
    seeds: dict[str, list[str]] = {}
    for target, _, seed in (stem.rpartition("-seed") for stem in stems):
        seeds.setdefault(target, []).append(seed)
    if not seeds:
        return "it has none at all: train one with jobs/full_pipeline.py, methods with spg among them"
    return "it has: " + "; ".join(f"{target} --seed {' or '.join(known)}" for target, known in seeds.items())


def require_writable(path: Path) -> None:
    """Raises ValueError where no file can be written to `path`: before hours of work, not after."""
    if path.is_dir():
        raise ValueError(f"--output {path} is a folder: give the name of a file in it, e.g. {path / 'predictions.csv'}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise ValueError(f"--output {path} cannot be written: {path.parent}: {error.strerror}") from error


def write_predictions(path: Path, rows: Iterable[Prediction]) -> list[Prediction]:
    """Write a CSV file with columns image, predicted, score, set_aside; returns its rows."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["image", "predicted", "score", "set_aside"])
    written = list(rows)
    for row in written:
        score = "" if row.score is None else f"{row.score:.4f}"
        writer.writerow([row.image, row.predicted, score, row.set_aside])
    write_text(path, stream.getvalue())
    return written
