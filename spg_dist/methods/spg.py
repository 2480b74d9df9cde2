"""Soft Prompt Generation: a prompt for every image, from the generator that stage 2 trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spg_dist.clip.load import Clip
from spg_dist.evaluation.accuracy import cosines, predict_from_prompts
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.gan.config import GanConfig
from spg_dist.gan.networks import Generator
from spg_dist.gan.training import GeneratorRun, build_generator
from spg_dist.methods.prompt_label import source_labels
from spg_dist.training import RunIdentity, read_trained
from spg_dist.training.seeds import torch_random


def generator_run(experiment: Experiment, spec: RunSpec) -> tuple[GeneratorRun, RunIdentity]:
    """Stage 2 for one target."""
    assert spec.seed is not None
    config, table = experiment.config.stage2, experiment.table
    sources = experiment.sources(spec.where)
    train = table.rows(sources, {"train"}, keep_left_out=False)
    val = experiment.selection_rows(spec.where, keep_left_out=False)
    labels_KPW, identities = source_labels(experiment, spec.where, spec.seed)
    run = GeneratorRun(
        config=config,
        table=table,
        train_rows=train,
        val_rows=config.chosen(val, spec.seed),
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
    experiment: Experiment, generator: Generator, spec: RunSpec, rows_B: np.ndarray, draw: int = 0
) -> Tensor:
    """A prompt (B, P, W) for each image; an image's noise depends on the run's seed, the draw and its row alone."""
    assert spec.seed is not None
    width = experiment.config.stage2.latent_width
    if experiment.config.test.noise == "zero":
        z_NZ = torch.zeros(len(experiment.table), width)
    else:
        random = torch_random(spec.seed, "test noise", spec.where, draw)
        z_NZ = torch.randn(len(experiment.table), width, generator=random)
    z_BZ = z_NZ[torch.from_numpy(rows_B)].to(experiment.table.device)
    prompts: Tensor = generator(z_BZ, experiment.table.features(rows_B))
    return prompts


@torch.no_grad()
def predict_with_generator(experiment: Experiment, spec: RunSpec, rows_B: np.ndarray) -> Tensor:
    """Classes (K, B) under the generated prompts: a row for each draw of the noise, or one if they are averaged."""
    test, x_BD = experiment.config.test, experiment.table.features(rows_B)
    generator = load_generator(experiment, spec)
    text = experiment.encoder(generator.prompt_shape[0])
    draws = 1 if test.noise == "zero" else test.draws
    prompts = (generate_prompts(experiment, generator, spec, rows_B, draw) for draw in range(draws))
    if not test.average:
        return torch.stack([predict_from_prompts(prompt_BPW, text, x_BD) for prompt_BPW in prompts])
    scale = experiment.clip.logit_scale
    mean_BC = sum((scale * cosines(prompt_BPW, text, x_BD)).softmax(dim=-1) for prompt_BPW in prompts)
    assert isinstance(mean_BC, Tensor)
    return mean_BC.argmax(dim=-1)[None]
