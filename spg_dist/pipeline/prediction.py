"""Use what a run trained on any images: no data set, no cache, no cluster."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from cache import digest_file
from cache.durable import write_text
from spg_dist.clip.load import Clip, load_clip
from spg_dist.config import Config, load_config
from spg_dist.data import Manifest
from spg_dist.data.image_files import IMAGE_SUFFIXES, walk_images
from spg_dist.encode.encoder import ImageEncoder
from spg_dist.encode.job import CachedViews
from spg_dist.encode.transform import ImageTransform
from spg_dist.evaluation.prediction import ImageBatch, Predicted, classify
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.features import unit_features
from spg_dist.file_names import to_text
from spg_dist.material import Material
from spg_dist.methods import METHODS
from spg_dist.plan import methods_of
from spg_dist.run import runs_of
from spg_dist.training.loop import read_trained

IMAGES_AT_ONCE = 256
COLUMNS = ("image", "method", "predicted", "probability", "spread", "by_draw", "set_aside")


class FoundImages(NamedTuple):
    """Image files below a folder, and those in formats that are not read."""

    images: list[Path]
    unread: list[Path]


def find_images(place: Path) -> FoundImages:
    """The image files below a folder, or the one file. Raises ValueError where there is none."""
    if not place.exists():
        raise ValueError(f"{place} does not exist: give an image or a folder of images")
    if place.is_file():
        return FoundImages([place], [])
    unread: list[str] = []
    found = [place / path for path in sorted(walk_images(place, unread=unread))]
    if not found:
        raise ValueError(f"no images below {place}: expected files that end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return FoundImages(found, [place / path for path in sorted(unread)])


@dataclass(frozen=True)
class Predictions:
    """What the methods of a run say of images.

    Arguments:
        images: those that were asked about, in order.
        set_aside: place of each image that cannot be read to the reason.
        said: for each method, what it says of each of the other images, by its place.
        transductive: methods among them that learned from these images as a set.
    """

    images: Sequence[Path]
    set_aside: dict[int, str]
    said: dict[str, dict[int, Predicted]]
    transductive: Sequence[str]
    class_names: Sequence[str]


def predict(
    folder: RunFolder,
    where: str,
    seed: int,
    methods: Sequence[str],
    images: Sequence[Path],
    progress: Callable[[int], None] = lambda images: None,
) -> Predictions:
    """Classify images with what a run trained, under the run's own settings of the test.

    An image's class and probabilities depend on the image alone; for a transductive method they depend on the set of
    images that is given.

    Arguments:
        where: what the trained run is known by, see `RunSpec`.
        methods: of the run; none named = all that it has.
        progress: called after each part of the images that is encoded, with the number of images in it.

    Raises:
        ValueError: the run has not trained this.
    """
    if not folder.config.exists():
        raise ValueError(f"{folder.root} holds no run: expected the folder of a finished one, e.g. runs/demo")
    config = load_config(folder.config.read_text(encoding="utf-8"), str(folder.config))
    specs = _trained_specs(config, folder, where, seed, methods)
    clip = load_clip(config.clip)
    _require_same_clip(folder, specs, clip)
    names = folder.read_classes()
    manifest = Manifest("images", folder.root, tuple(names), ("images",), ())
    material = Material(config.core(), manifest, clip, CachedViews("", config.cache.store, (), ()), folder)
    predictors = {run.spec.method: run.method.predictor(run) for run in runs_of(config, material, specs)}
    kept, batch, set_aside = _encode(config, clip, images, progress)
    said = {
        method: dict(zip(kept, classify(predictor, batch), strict=True)) for method, predictor in predictors.items()
    }
    transductive = [method for method, predictor in predictors.items() if predictor.transductive]
    return Predictions(images, set_aside, said, transductive, names)


def _encode(
    config: Config, clip: Clip, images: Sequence[Path], progress: Callable[[int], None]
) -> tuple[list[int], ImageBatch, dict[int, str]]:
    """Places of the images that can be read, these images, and why the others cannot.

    Features are rounded as the cache rounds them: of a target's images a run then says what its own test said.
    """
    transform = ImageTransform(clip.preprocess, decoding=config.encode.pixels)
    encoder = ImageEncoder(clip, transform, config.encode.batch_size)
    dtype: torch.dtype = getattr(torch, config.cache.dtype)
    digests: dict[int, str] = {}
    set_aside: dict[int, str] = {}
    parts = [torch.empty(0, clip.feature_width)]
    for start in range(0, len(images), IMAGES_AT_ONCE):
        asked = range(start, min(start + IMAGES_AT_ONCE, len(images)))
        for i in asked:
            try:
                digests[i] = digest_file(images[i])
            except OSError as error:
                set_aside[i] = str(error)
        readable = [i for i in asked if i in digests]
        encoded = encoder([images[i] for i in readable], [digests[i] for i in readable])
        for place, reason in encoded.rejected.items():
            set_aside[readable[place]] = reason
        parts.append(torch.from_numpy(encoded.features_ND).to(dtype))
        progress(len(asked))
    kept = [i for i in range(len(images)) if i not in set_aside]
    x_BD = unit_features(torch.cat(parts), clip.device)
    return kept, ImageBatch(x_BD, tuple(digests[i] for i in kept), np.zeros(len(kept), dtype=np.int64)), set_aside


def _trained_specs(config: Config, folder: RunFolder, where: str, seed: int, methods: Sequence[str]) -> list[RunSpec]:
    """Of each method that is asked for, what the run trained."""
    known = {method.name: method for method in methods_of(config)}
    unknown = [name for name in methods if name not in known]
    if unknown:
        raise ValueError(f"{folder.root} has no method {unknown[0]!r}: it has {', '.join(known)}")
    asked = [known[name] for name in methods or known]
    specs = {m: RunSpec(m.name, where, seed if m.has_seeds else None, config.protocol) for m in asked}
    absent = [m for m, spec in specs.items() if m.trains and not folder.artifact(spec).exists()]
    if absent and (methods or all(m in absent or not m.trains for m in specs)):
        there = _trained_in_words(folder.artifact(specs[absent[0]]).parent, config.protocol, absent[0].name)
        raise ValueError(f"{folder.root} has no {absent[0].name} for target {where!r}, seed {seed}; {there}")
    return [spec for m, spec in specs.items() if m not in absent]


def _require_same_clip(folder: RunFolder, specs: Sequence[RunSpec], clip: Clip) -> None:
    """Raises ValueError where a method was trained or tested with another CLIP than the configuration leads to now."""
    for spec in specs:
        used = read_trained(folder.artifact(spec)).clip if METHODS[spec.method].trains else folder.clip
        if used not in ("", clip.digest):
            raise ValueError(
                f"{spec.name} of {folder.root} was made with another CLIP than {clip.name}, which its configuration "
                f"leads to now: the weights were replaced since, so every answer would be wrong. Put the former "
                f"weights back, or run the job again"
            )


def _trained_in_words(folder: Path, protocol: str, method: str) -> str:
    """What can be asked for, by the names to type."""
    stems = sorted(path.stem.removeprefix(f"{protocol}-") for path in folder.glob(f"{protocol}-*.safetensors"))
    seeds: dict[str, list[str]] = {}
    for target, _, seed in (stem.rpartition("-seed") for stem in stems):
        seeds.setdefault(target, []).append(seed)
    if not seeds:
        return f"it has none at all: train one with jobs/full_pipeline.py, methods with {method} among them"
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


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a CSV file with a row for each image and method.

    Columns: image (as `to_text` writes it), method, predicted (class of the highest mean probability over the draws of
    the noise), probability (0 to 1, that mean), spread (standard deviation over the draws; empty for one), by_draw (the
    class of each draw, a JSON list), set_aside (why an image cannot be read; its row has no method).
    """
    stream, names = io.StringIO(), predictions.class_names
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i, image in enumerate(to_text(str(image)) for image in predictions.images):
        if i in predictions.set_aside:
            writer.writerow([image, "", "", "", "", "", predictions.set_aside[i]])
            continue
        for method, said in predictions.said.items():
            one = said[i]
            spread = "" if one.spread is None else f"{one.spread:.6f}"
            by_draw = json.dumps([names[k] for k in one.by_draw], ensure_ascii=False)
            writer.writerow([image, method, names[one.class_index], f"{one.probability:.6f}", spread, by_draw, ""])
    write_text(path, stream.getvalue())
