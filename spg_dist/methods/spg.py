"""Soft Prompt Generation: a prompt for every image, from the generator that stage 2 trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spg_dist.clip.load import Clip
from spg_dist.config import TestConfig
from spg_dist.evaluation.accuracy import cosines
from spg_dist.evaluation.prediction import ImageBatch, Predictor
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.gan.config import GanConfig
from spg_dist.gan.draws import image_noise
from spg_dist.gan.networks import Generator
from spg_dist.gan.training import GeneratorRun, build_generator
from spg_dist.methods.prompt_label import source_labels
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import read_trained


def generator_run(experiment: Experiment, spec: RunSpec) -> tuple[GeneratorRun, RunIdentity]:
    """Stage 2 for one target."""
    assert spec.seed is not None
    config = experiment.config.stage2
    train = experiment.source_rows(spec.where, "train", keep_left_out=False)
    val = experiment.selection_rows(spec.where, keep_left_out=False)
    judged = config.chosen(val, spec.seed)
    labels_KPW, identities = source_labels(experiment, spec.where, spec.seed)
    run = GeneratorRun(
        config=config,
        table=experiment.table,
        train_rows=train,
        val_rows=judged,
        val_digests=experiment.digests(judged),
        labels_KPW=labels_KPW,
        encoder=experiment.encoder(labels_KPW.shape[1]),
        seed=spec.seed,
        # only where `where` is a target: a single source of that name is trained for other targets
        clip=spec.protocol != "multi-source" or spec.where not in config.clip_norms.off_for_targets,
    )
    rows = np.concatenate([train, val])
    return run, experiment.identity("spg", spec.where, spec.seed, config, rows, labels=identities)


def load_generator(experiment: Experiment, spec: RunSpec) -> Generator:
    """The trained generator of a run, in eval mode on the experiment's device."""
    path = experiment.folder.artifact(spec)
    return read_generator(path, experiment.config.stage2, experiment.clip, experiment.tower.width)


def read_generator(path: Path, config: GanConfig, clip: Clip, text_width: int) -> Generator:
    """A trained generator from its file, in eval mode on CLIP's device."""
    weights = read_trained(path).weights
    last_bias = max((name for name in weights if name.endswith(".bias")), key=_layer_number)
    n_ctx = weights[last_bias].numel() // text_width
    generator = build_generator(config, clip.feature_width, n_ctx, text_width)
    generator.load_state_dict(weights)
    return generator.to(clip.device).eval()


def _layer_number(name: str) -> int:
    return int(name.split(".")[1])


@torch.no_grad()
def generate_prompts(
    generator: Generator, spec: RunSpec, images: ImageBatch, test: TestConfig, draw: int = 0
) -> Tensor:
    """A prompt (B, P, W) for each image, on the features' device."""
    assert spec.seed is not None
    width = generator.latent_width
    if test.noise == "zero":
        z_BZ = torch.zeros(len(images), width)
    else:
        z_BZ = image_noise(spec.seed, draw, images.digests, width)
    prompts: Tensor = generator(z_BZ.to(images.x_BD.device), images.x_BD)
    return prompts


def spg_predictor(experiment: Experiment, spec: RunSpec) -> Predictor:
    """Each image under its own prompt, once for each draw of the noise."""
    test, scale = experiment.config.test, experiment.clip.logit_scale
    generator = load_generator(experiment, spec)
    encoder = experiment.encoder(generator.prompt_shape[0])
    draws = 1 if test.noise == "zero" else test.draws

    def logits(images: ImageBatch) -> Tensor:
        prompts = (generate_prompts(generator, spec, images, test, draw) for draw in range(draws))
        return torch.stack([scale * cosines(prompt_BPW, encoder, images.x_BD) for prompt_BPW in prompts])

    return Predictor(logits)
