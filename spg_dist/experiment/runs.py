"""The runs that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.experiment.protocols import PROTOCOLS
from spg_dist.file_names import file_name

PROMPT_LABEL = "prompt-label"
UNTRAINED = ("zero-shot", "zero-shot-ensemble")
OWN_CLASSES_ONLY = ("linear-probe",)
"""Methods without a text side: they cannot name a class that they were not trained on."""


@dataclass(frozen=True)
class RunSpec:
    """One thing to train.

    Arguments:
        method: a method of the results table, or `prompt-label` (stage 1).
        where: the domain of a prompt label; else what the protocol calls the run by: the target that is left out
            (multi-source), the source (single-source), the data set (cross-dataset).
        seed: None for methods without randomness.
    """

    method: str
    where: str
    seed: int | None
    protocol: str = "multi-source"

    @property
    def name(self) -> str:
        """E.g. "spg sketch seed 1"."""
        return f"{self.method} {self.where}" + ("" if self.seed is None else f" seed {self.seed}")

    @property
    def file_stem(self) -> str:
        """E.g. "sketch-seed1"."""
        return file_name(self.where) + ("" if self.seed is None else f"-seed{self.seed}")


@dataclass(frozen=True)
class TestSpec:
    """A trained run on one target: a domain it never saw, or another data set."""

    run: RunSpec
    target: str

    @property
    def name(self) -> str:
        """E.g. "spg sketch seed 1" or "spg photo seed 1 on sketch"."""
        return self.run.name if self.run.where == self.target else f"{self.run.name} on {self.target}"


def left_out_methods(config: Config) -> list[str]:
    """Configured methods that the protocol has no use for."""
    return [method for method in config.methods if config.protocol == "cross-dataset" and method in OWN_CLASSES_ONLY]


def methods_of(config: Config) -> list[str]:
    """The configured methods that the protocol can test. Raises ValueError where none is left."""
    methods: list[str] = [method for method in config.methods if method not in left_out_methods(config)]
    if not methods:
        raise ValueError(
            f"methods is {list(config.methods)} and protocol cross-dataset: {config.methods[0]} knows only the classes "
            f"it was trained on, not those of another data set. Add methods that read class names, e.g. spg"
        )
    return methods


def training_runs(config: Config, manifest: Manifest, methods: Sequence[str]) -> list[RunSpec]:
    """The runs of some methods, seed by seed."""
    places = PROTOCOLS[config.protocol].trainings(config, manifest)
    chosen = [method for method in methods_of(config) if method in methods]
    return [
        RunSpec(method, where, seed, config.protocol) for seed in config.seeds for method in chosen for where in places
    ]


def stage1_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Prompt labels that some run needs, and the baselines: none waits for another, so one job carries them."""
    baselines = [method for method in methods_of(config) if method != "spg" and method not in UNTRAINED]
    protocol = PROTOCOLS[config.protocol]
    seen = {domain for where in protocol.trainings(config, manifest) for domain in protocol.sources(manifest, where)}
    labels = [
        RunSpec(PROMPT_LABEL, domain, seed)
        for seed in config.seeds
        for domain in manifest.domains
        if domain in seen and "spg" in config.methods and not config.prompt_labels
    ]
    return training_runs(config, manifest, baselines) + labels


def stage2_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Generators to train."""
    return training_runs(config, manifest, ["spg"])


def test_runs(config: Config, manifest: Manifest, tests: Sequence[Manifest] = ()) -> list[TestSpec]:
    """All that stands in the results table, methods in the configured order."""
    protocol = PROTOCOLS[config.protocol]
    return [
        TestSpec(RunSpec(method, where, seed, config.protocol), target)
        for method in methods_of(config)
        for where in protocol.trainings(config, manifest)
        for target in protocol.targets(config, manifest, tests, where)
        for seed in ([None] if method in UNTRAINED else config.seeds)
    ]
