"""Stage 1: a domain's prompt label, learned on that domain alone or imported as published."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spg_dist.clip.fingerprint import weights_digest
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec
from spg_dist.home import resolve
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.initial import initial_prompt
from spg_dist.soft_prompt.training import SoftPromptRun
from spg_dist.training.identity import RunIdentity
from spg_dist.training.loop import read_trained

TOKENS_AT_ONCE = 4096  # through the text tower for one gradient: about 400 KB each of activations in ViT-B's tower


def soft_prompt_run(
    experiment: Experiment, config: SoftPromptConfig, train: np.ndarray, val: np.ndarray, kind: str, spec: RunSpec
) -> tuple[SoftPromptRun, RunIdentity]:
    """A soft prompt learned on the rows `train`, selected on the rows `val`; with its identity."""
    assert spec.seed is not None
    encoder = experiment.encoder(config.n_ctx)
    first = initial_prompt(experiment.tower, experiment.clip.tokenizer, config.initial_text, config.n_ctx, spec.seed)
    run = SoftPromptRun(
        config=config,
        table=experiment.table,
        train_rows=train,
        val_rows=config.chosen(val, spec.seed),
        encoder=encoder,
        initial_PW=first,
        logit_scale=experiment.clip.logit_scale,
        seed=spec.seed,
        prompts_at_once=prompts_at_once(encoder),
    )
    return run, experiment.identity(kind, spec.where, spec.seed, config, np.concatenate([train, val]))


def prompts_at_once(encoder: PromptEncoder) -> int:
    """As many as memory allows."""
    return max(1, TOKENS_AT_ONCE // (encoder.classes.n_ctx + sum(encoder.classes.suffix_lengths)))


def prompt_label_run(experiment: Experiment, spec: RunSpec) -> tuple[SoftPromptRun, RunIdentity]:
    """The prompt label of one domain."""
    train, val = (experiment.label_rows(spec.where, split) for split in ("train", "val"))
    return soft_prompt_run(experiment, experiment.config.stage1, train, val, PROMPT_LABEL, spec)


def source_labels(experiment: Experiment, where: str, seed: int) -> tuple[Tensor, list[str]]:
    """Prompt labels (K, P, W) of the domains that a run may see, NaN for the others, and what identifies each.

    Raises:
        ValueError: a published label is missing, unreadable, of another width than the text tower or unlike the others.
    """
    sources = sorted(experiment.sources(where))
    found = {k: _label(experiment, experiment.manifest.domains[k], seed) for k in sources}
    shapes = {experiment.manifest.domains[k]: tuple(label.shape) for k, (label, _) in found.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"prompt labels have different shapes: {shapes}; expected labels of one training")
    labels_KPW = torch.full((len(experiment.manifest.domains), *shapes.popitem()[1]), float("nan"))
    for k, (label, _) in found.items():
        labels_KPW[k] = label
    return labels_KPW, [identity for _, identity in found.values()]


def _label(experiment: Experiment, domain: str, seed: int) -> tuple[Tensor, str]:
    if experiment.config.prompt_labels:
        label = read_published_label(resolve(experiment.config.prompt_labels), domain, experiment.manifest.domains)
        _check_shape(label, experiment, domain)
        return label, f"published {weights_digest({'prompt': label})}"
    path = experiment.folder.artifact(RunSpec(PROMPT_LABEL, domain, seed))
    run = read_trained(path)
    return run.weights["prompt"], run.identity


def read_published_label(folder: Path, domain: str, domains: tuple[str, ...]) -> Tensor:
    """A prompt label (P, W, float32) from the published files, `<anything>_<first letter of the domain>.pt`.

    Raises:
        ValueError: no or more than one file for the domain, or one that holds no prompt.
    """
    letter = domain[0].lower()
    if sum(name[0].lower() == letter for name in domains) > 1:
        raise ValueError(
            f"domains {', '.join(domains)} share first letters: published label files cannot tell them apart"
        )
    found = sorted(folder.glob(f"*_{letter}.pt")) if folder.is_dir() else []
    if len(found) != 1:
        what = "no folder" if not folder.is_dir() else f"{len(found)} files *_{letter}.pt"
        raise ValueError(
            f"prompt_labels: {what} at {folder}; expected one file for domain {domain!r}, e.g. PACS_CoOp_{letter}.pt"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a pickle that it then refuses: the error below says so
            label = torch.load(found[0], map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no single error type for a file that is no checkpoint
        raise ValueError(f"cannot read the prompt label {found[0]}: {str(error).splitlines()[0]}") from error
    if not isinstance(label, Tensor) or label.ndim != 2:
        raise ValueError(f"{found[0]} holds no prompt: expected one tensor (context tokens, text width)")
    if not bool(torch.isfinite(label).all()):
        raise ValueError(f"the prompt label {found[0]} has values that are not finite: the file is damaged")
    return label.float().contiguous()


def _check_shape(label: Tensor, experiment: Experiment, domain: str) -> None:
    if label.shape[1] != experiment.tower.width:
        raise ValueError(
            f"the prompt label of {domain} has width {label.shape[1]}, but the text tower of {experiment.clip.name} "
            f"has {experiment.tower.width}: take labels made with this model, or train stage 1: prompt_labels=''"
        )
