"""What a configuration asks for: trainings, each after those that it learns from, and tests. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.experiment.runs import EvaluationSpec, RunSpec
from spg_dist.methods import METHODS, Method, method_of
from spg_dist.protocols import PROTOCOLS


@dataclass(frozen=True)
class Plan:
    """All runs of an experiment.

    Arguments:
        stage1: trainings that wait for no other, so one job carries them.
        stage2: trainings that learn from what those of stage 1 have learned.
        tests: what stands in the results table, methods in the configured order.
    """

    stage1: tuple[RunSpec, ...]
    stage2: tuple[RunSpec, ...]
    tests: tuple[EvaluationSpec, ...]

    @property
    def trainings(self) -> tuple[RunSpec, ...]:
        """Each after those that it learns from."""
        return self.stage1 + self.stage2


def plan(config: Config, manifest: Manifest, tests: Sequence[Manifest] = ()) -> Plan:
    """Compile a configuration.

    Arguments:
        tests: data sets that are only tested on.

    Raises:
        ValueError: unknown domains, or no method that the protocol can test.
    """
    methods = methods_of(config)
    alone, learning = ([m for m in methods if m.trains and bool(m.needed) is needs] for needs in (False, True))
    learners = _trainings(config, manifest, learning)
    needed = {one for spec in learners for one in needed_by(config, manifest, spec)}
    labels = [
        RunSpec(method.name, domain, seed)
        for method in dict.fromkeys(one for learner in learning for one in learner.needs(config))
        for seed in seeds_of(config, method)
        for domain in manifest.domains
    ]
    return Plan(
        stage1=(*_trainings(config, manifest, alone), *(spec for spec in labels if spec in needed)),
        stage2=tuple(learners),
        tests=tuple(_tests(config, manifest, tests, methods)),
    )


def needed_by(config: Config, manifest: Manifest, spec: RunSpec) -> list[RunSpec]:
    """The trainings by domain that a training learns from, in the order of the domains."""
    sources = PROTOCOLS[spec.protocol].sources(manifest, spec.where)
    return [
        RunSpec(method.name, domain, spec.seed if method.has_seeds else None)
        for method in method_of(spec.method).needs(config)
        for domain in sources
    ]


def left_out_methods(config: Config) -> list[str]:
    """Configured methods that the protocol has no use for."""
    across = PROTOCOLS[config.protocol].is_across
    return [name for name in config.methods if across and not METHODS[name].reads_class_names]


def methods_of(config: Config) -> list[Method[Any]]:
    """The configured methods that the protocol can test. Raises ValueError where none is left."""
    left_out = left_out_methods(config)
    methods = [METHODS[name] for name in config.methods if name not in left_out]
    if not methods:
        raise ValueError(
            f"methods is {list(config.methods)} and protocol cross-dataset: {config.methods[0]} knows only the classes "
            f"it was trained on, not those of another data set. Add methods that read class names, e.g. zero-shot"
        )
    return methods


def seeds_of(config: Config, method: Method[Any]) -> Sequence[int | None]:
    """None alone for a method without randomness."""
    return config.seeds if method.has_seeds else [None]


def _trainings(config: Config, manifest: Manifest, methods: Sequence[Method[Any]]) -> list[RunSpec]:
    """Seed by seed."""
    places = PROTOCOLS[config.protocol].trainings(config, manifest)
    return [
        RunSpec(method.name, where, seed, config.protocol)
        for seed in (None, *config.seeds)
        for method in methods
        if seed in seeds_of(config, method)
        for where in places
    ]


def _tests(
    config: Config, manifest: Manifest, tests: Sequence[Manifest], methods: Sequence[Method[Any]]
) -> list[EvaluationSpec]:
    protocol = PROTOCOLS[config.protocol]
    return [
        EvaluationSpec(RunSpec(method.name, where, seed, config.protocol), target)
        for method in methods
        for where in protocol.trainings(config, manifest)
        for target in protocol.targets(config, manifest, tests, where)
        for seed in seeds_of(config, method)
    ]
