"""The runs that a configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.config import Config
from spg_dist.data import Manifest

PROTOCOL = "multi-source"
UNTRAINED = ("zero-shot", "zero-shot-ensemble")


@dataclass(frozen=True)
class RunSpec:
    """One thing to train or test.

    Arguments:
        method: a method of the results table, or `prompt-label` (stage 1).
        where: the domain of a prompt label; the target domain of everything else.
        seed: None for methods without randomness.
    """

    method: str
    where: str
    seed: int | None

    @property
    def name(self) -> str:
        """E.g. "spg sketch seed 1"."""
        return f"{self.method} {self.where}" + ("" if self.seed is None else f" seed {self.seed}")

    @property
    def file_stem(self) -> str:
        """E.g. "sketch-seed1"."""
        return self.where if self.seed is None else f"{self.where}-seed{self.seed}"


def target_domains(config: Config, manifest: Manifest) -> list[str]:
    """The targets asked for. Raises ValueError for an unknown domain, or when nothing is left to train on."""
    if len(manifest.domains) < 2:
        raise ValueError(
            f"{manifest.dataset} in {manifest.root} has one domain ({manifest.domains[0]}), but leaving one domain out "
            f"for the test needs at least two: expected <root>/<domain>/<class>/<images>"
        )
    for target in config.targets:
        manifest.domain_index(target)
    return list(config.targets) or list(manifest.domains)


def stage1_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Prompt labels that some target needs, and CoOp baselines: both learn one soft prompt, so one job carries them."""
    targets = target_domains(config, manifest)
    needed = [domain for domain in manifest.domains if any(target != domain for target in targets)]
    labels = [
        RunSpec("prompt-label", domain, seed)
        for seed in config.seeds
        for domain in needed
        if "spg" in config.methods and not config.prompt_labels
    ]
    coop = [RunSpec("coop", target, seed) for seed in config.seeds for target in targets if "coop" in config.methods]
    return coop + labels


def stage2_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Generators to train."""
    targets = target_domains(config, manifest)
    return [RunSpec("spg", target, seed) for seed in config.seeds for target in targets if "spg" in config.methods]


def test_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """All that stands in the results table, methods in the configured order."""
    targets = target_domains(config, manifest)
    return [
        RunSpec(method, target, seed)
        for method in config.methods
        for target in targets
        for seed in ([None] if method in UNTRAINED else config.seeds)
    ]
