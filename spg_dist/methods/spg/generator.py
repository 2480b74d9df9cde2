"""Soft Prompt Generation: a prompt for every image, from the generator that stage 2 trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spg_dist.clip.load import Clip
from spg_dist.evaluation.accuracy import cosines
from spg_dist.evaluation.prediction import ImageBatch, Predictor
from spg_dist.gan.clipping import generator_limits
from spg_dist.gan.config import GanConfig
from spg_dist.gan.draws import image_noise
from spg_dist.gan.training import GeneratorRun, build_generator
from spg_dist.generators import Generator
from spg_dist.material import Material
from spg_dist.methods.spg.prompt_label import source_labels
from spg_dist.protocols import PROTOCOLS
from spg_dist.run import Run
from spg_dist.training.loop import read_trained


def generator_run(run: Run[GanConfig]) -> GeneratorRun:
    """Stage 2 for one target."""
    config, spec, material = run.settings, run.spec, run.material
    labels_KPW = source_labels(run)
    return GeneratorRun(
        config=config,
        table=material.table,
        train_rows=run.train_rows,
        val_rows=run.judged_rows,
        val_digests=material.digests(run.judged_rows),
        labels_KPW=labels_KPW,
        encoder=material.encoder(labels_KPW.shape[1]),
        seed=run.seed,
        # only where `where` is a target: a single source of that name is trained for other targets
        clip=not PROTOCOLS[spec.protocol].leaves_target_out or spec.where not in config.clip_norms.off_for_targets,
    )


def check_generator(material: Material, config: GanConfig, n_ctx: int) -> None:
    """Raises ValueError where the configured network does not fit the CLIP, or cannot be trained."""
    try:
        generator = build_generator(config, material.clip.feature_width, n_ctx, material.tower.width)
        generator_limits(generator, config.clip_norms)
    except ValueError as error:
        raise ValueError(f"stage2.generator={config.generator}: {error}") from error


def load_generator(run: Run[GanConfig]) -> Generator:
    """The trained generator of a run, in eval mode on the material's device."""
    path = run.material.folder.artifact(run.spec)
    return read_generator(path, run.settings, run.material.clip, run.material.tower.width)


def read_generator(path: Path, config: GanConfig, clip: Clip, text_width: int) -> Generator:
    """A trained generator from its file, in eval mode on CLIP's device.

    Raises:
        ValueError: the file holds a generator of another kind than is configured, or for another text tower.
    """
    trained = read_trained(path)
    stated = trained.network or _of_version_0_1_0(trained.weights, text_width)
    kind, (n_ctx, width) = stated["generator"], stated["prompt_shape"]
    if (kind, width) != (config.generator, text_width):
        raise ValueError(
            f"{path} holds a generator {kind!r} for text width {width}, but the configuration asks for "
            f"{config.generator!r} and its text tower has width {text_width}"
        )
    generator = build_generator(config, clip.feature_width, n_ctx, text_width)
    generator.load_state_dict(trained.weights)
    return generator.to(clip.device).eval()


def _of_version_0_1_0(weights: dict[str, Tensor], text_width: int) -> dict[str, Any]:
    """What its files do not state: there was one network, whose last Linear makes the prompt."""
    last_bias = max((name for name in weights if name.endswith(".bias")), key=_layer_number)
    return {"generator": "mlp", "prompt_shape": [weights[last_bias].numel() // text_width, text_width]}


def _layer_number(name: str) -> int:
    return int(name.split(".")[1])


@torch.no_grad()
def generate_prompts(generator: Generator, run: Run[GanConfig], images: ImageBatch, draw: int = 0) -> Tensor:
    """A prompt (B, P, W) for each image, on the features' device."""
    width = generator.noise_width
    if run.material.core.test.noise == "zero":
        z_BZ = torch.zeros(len(images), width)
    else:
        z_BZ = image_noise(run.seed, draw, images.digests, width)
    prompts: Tensor = generator(z_BZ.to(images.x_BD.device), images.x_BD)
    return prompts


def spg_predictor(run: Run[GanConfig]) -> Predictor:
    """Each image under its own prompt, once for each draw of the noise."""
    test, scale = run.material.core.test, run.material.clip.logit_scale
    generator = load_generator(run)
    encoder = run.material.encoder(generator.prompt_shape[0])
    draws = test.draws if test.noise == "draw" and generator.noise_width else 1

    def logits(images: ImageBatch) -> Tensor:
        prompts = (generate_prompts(generator, run, images, draw) for draw in range(draws))
        return torch.stack([scale * cosines(prompt_BPW, encoder, images.x_BD) for prompt_BPW in prompts])

    return Predictor(logits)
