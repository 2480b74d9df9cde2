"""Stage 1: a domain's prompt label, learned on that domain alone or imported as published."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor

from spg_dist.clip.fingerprint import weights_digest
from spg_dist.experiment.runs import RunSpec
from spg_dist.gan.config import GanConfig
from spg_dist.home import resolve
from spg_dist.material import Material
from spg_dist.run import Run
from spg_dist.training.loop import read_trained


def source_labels(run: Run[GanConfig]) -> tuple[Tensor, list[str]]:
    """Prompt labels (K, P, W) of the domains that a run may see, NaN for the others, and what identifies each.

    Raises:
        ValueError: a published label is missing, unreadable, of another width than the text tower or unlike the others.
    """
    return _labels_of(run.material, run.spec.where, run.seed)


def check_imported_labels(material: Material) -> None:
    """Raises ValueError where published labels are wanted and do not fit, or are too long for a class name."""
    if not material.core.prompt_labels:
        return
    for where in material.protocol.trainings(material.core, material.manifest):
        labels_KPW, _ = _labels_of(material, where, material.core.seeds[0])
        for place in (material, *material.others.values()):
            place.encoder(labels_KPW.shape[1])


def _labels_of(material: Material, where: str, seed: int) -> tuple[Tensor, list[str]]:
    sources = sorted(material.sources(where))
    found = {k: _label(material, material.manifest.domains[k], seed) for k in sources}
    shapes = {material.manifest.domains[k]: tuple(label.shape) for k, (label, _) in found.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"prompt labels have different shapes: {shapes}; expected labels of one training")
    labels_KPW = torch.full((len(material.manifest.domains), *shapes.popitem()[1]), float("nan"))
    for k, (label, _) in found.items():
        labels_KPW[k] = label
    return labels_KPW, [identity for _, identity in found.values()]


def _label(material: Material, domain: str, seed: int) -> tuple[Tensor, str]:
    if material.core.prompt_labels:
        label = read_published_label(resolve(material.core.prompt_labels), domain, material.manifest.domains)
        _check_shape(label, material, domain)
        return label, f"published {weights_digest({'prompt': label})}"
    run = read_trained(material.folder.artifact(RunSpec("prompt-label", domain, seed)))
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


def _check_shape(label: Tensor, material: Material, domain: str) -> None:
    if label.shape[1] != material.tower.width:
        raise ValueError(
            f"the prompt label of {domain} has width {label.shape[1]}, but the text tower of {material.clip.name} "
            f"has {material.tower.width}: take labels made with this model, or train stage 1: prompt_labels=''"
        )
