"""Stage 1: a domain's prompt label, learned on that domain alone or imported as published."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor

from spg_dist.clip.fingerprint import weights_digest
from spg_dist.gan.config import GanConfig
from spg_dist.home import resolve
from spg_dist.material import Material
from spg_dist.run import Run


def source_labels(run: Run[GanConfig]) -> Tensor:
    """Prompt labels (K, P, W) of the domains that a run may see, NaN for the others.

    Raises:
        ValueError: a published label is missing, unreadable, of another width than the text tower or unlike the others.
    """
    if run.material.core.prompt_labels:
        return _by_domain(run.material, imported_labels(run.material, run.spec.where))
    return _by_domain(run.material, {needed.spec.where: needed.weights()["prompt"] for needed in run.needs})


def context_length_of(run: Run[GanConfig]) -> int:
    """Context tokens of the run's labels."""
    if run.needs:
        return int(run.needs[0].settings.n_ctx)
    return len(next(iter(imported_labels(run.material, run.spec.where).values())))


def imported_lengths(material: Material) -> set[int]:
    """Context tokens of the published labels. Raises ValueError where they do not fit, or leave a name no room."""
    lengths = set()
    for where in material.protocol.trainings(material.core, material.manifest):
        labels_KPW = _by_domain(material, imported_labels(material, where))
        lengths.add(labels_KPW.shape[1])
        for place in (material, *material.others.values()):
            place.encoder(labels_KPW.shape[1])
    return lengths


def imported_labels(material: Material, where: str) -> dict[str, Tensor]:
    """Published prompt labels (P, W) of the domains that a run may see. Raises ValueError as `source_labels`."""
    folder, manifest = resolve(material.core.prompt_labels), material.manifest
    found = {}
    for k in sorted(material.sources(where)):
        domain = manifest.domains[k]
        found[domain] = read_published_label(folder, domain, manifest.domains)
        _check_shape(found[domain], material, domain)
    return found


def imported_identities(material: Material, where: str) -> list[str]:
    """What identifies each of them."""
    return [f"published {weights_digest({'prompt': label})}" for label in imported_labels(material, where).values()]


def _by_domain(material: Material, found: dict[str, Tensor]) -> Tensor:
    shapes = {domain: tuple(label.shape) for domain, label in found.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"prompt labels have different shapes: {shapes}; expected labels of one training")
    labels_KPW = torch.full((len(material.manifest.domains), *shapes.popitem()[1]), float("nan"))
    for domain, label in found.items():
        labels_KPW[material.manifest.domain_index(domain)] = label
    return labels_KPW


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
