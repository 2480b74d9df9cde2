"""The runs that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.experiment.protocols import PROTOCOLS
from spg_dist.file_names import file_name
from spg_dist.methods import METHODS, Method


@dataclass(frozen=True)
class RunSpec:
    """One thing to train.

    Arguments:
        method: a method of the results table, or one by domain that such a method needs (`prompt-label`: stage 1).
        where: the domain, for a method by domain; else what the protocol calls the run by: the target that is left out
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
    across = config.protocol == "cross-dataset"
    return [name for name in config.methods if across and not METHODS[name].reads_class_names]


def methods_of(config: Config) -> list[Method[Any]]:
    """The configured methods that the protocol can test. Raises ValueError where none is left."""
    left_out = left_out_methods(config)
    methods = [METHODS[name] for name in config.methods if name not in left_out]
    if not methods:
        raise ValueError(
            f"methods is {list(config.methods)} and protocol cross-dataset: {config.methods[0]} knows only the classes "
            f"it was trained on, not those of another data set. Add methods that read class names, e.g. spg"
        )
    return methods


def stage1_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Runs that wait for no other: the methods' that need none, and those that other methods need."""
    protocol = PROTOCOLS[config.protocol]
    trainings = protocol.trainings(config, manifest)
    seen = {domain for where in trainings for domain in protocol.sources(manifest, where)}
    needed = dict.fromkeys(one for method in methods_of(config) for one in method.needs(config))
    return [
        *_training_runs(config, manifest, [method for method in methods_of(config) if not method.needed]),
        *(
            RunSpec(method.name, domain, seed)
            for method in needed
            for seed in _seeds(config, method)
            for domain in manifest.domains
            if domain in seen
        ),
    ]


def stage2_runs(config: Config, manifest: Manifest) -> list[RunSpec]:
    """Runs that learn from what other runs have learned."""
    return _training_runs(config, manifest, [method for method in methods_of(config) if method.needed])


def _training_runs(config: Config, manifest: Manifest, methods: Sequence[Method[Any]]) -> list[RunSpec]:
    """The runs of those methods that train, seed by seed."""
    places = PROTOCOLS[config.protocol].trainings(config, manifest)
    trained = [method for method in methods if method.trains]
    return [
        RunSpec(method.name, where, seed, config.protocol)
        for seed in (None, *config.seeds)
        for method in trained
        if seed in _seeds(config, method)
        for where in places
    ]


def _seeds(config: Config, method: Method[Any]) -> Sequence[int | None]:
    return config.seeds if method.has_seeds else [None]


def test_runs(config: Config, manifest: Manifest, tests: Sequence[Manifest] = ()) -> list[TestSpec]:
    """All that stands in the results table, methods in the configured order."""
    protocol = PROTOCOLS[config.protocol]
    return [
        TestSpec(RunSpec(method.name, where, seed, config.protocol), target)
        for method in methods_of(config)
        for where in protocol.trainings(config, manifest)
        for target in protocol.targets(config, manifest, tests, where)
        for seed in _seeds(config, method)
    ]
