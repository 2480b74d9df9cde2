"""Evaluation protocols: what a run is trained on, and what it is tested on (SPG section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spg_dist.config import Config
    from spg_dist.data import Manifest


class EvaluationProtocol:
    """`where` names a training run. `tests` are the manifests of other data sets that were configured for the test."""

    run_means: str
    """What `where` is, above a training curve."""

    reads: tuple[str, ...] = ()
    """Of the configuration's fields `sources`, `targets` and `test_data`."""

    leaves_target_out: bool = False
    """Whether `where` is the one target of the run."""

    has_one_source: bool = False
    """Whether `where` is the one domain that the run is trained on, and tested on several."""

    is_across: bool = False
    """Whether runs are tested on other data sets than they are trained on, with other classes."""

    noun_of_targets: str = "domains"

    def trainings(self, config: Config, manifest: Manifest) -> list[str]:
        """The `where` of every training run that the configuration asks for. Raises ValueError for unknown domains."""
        raise NotImplementedError

    def sources(self, manifest: Manifest, where: str) -> list[str]:
        """Domains that training sees."""
        raise NotImplementedError

    def targets(self, config: Config, manifest: Manifest, tests: Sequence[Manifest], where: str) -> list[str]:
        """What the run is tested on: domains of the same data set, or names of others."""
        raise NotImplementedError


class MultiSource(EvaluationProtocol):
    """Leave one domain out: train on the others, test on it. `where` is the target."""

    run_means, reads, leaves_target_out = "Target left out", ("targets",), True

    def trainings(self, config: Config, manifest: Manifest) -> list[str]:
        return _chosen(config.targets, manifest)

    def sources(self, manifest: Manifest, where: str) -> list[str]:
        return [domain for domain in manifest.domains if domain != where]

    def targets(self, config: Config, manifest: Manifest, tests: Sequence[Manifest], where: str) -> list[str]:
        return [where]


class SingleSource(EvaluationProtocol):
    """Train on one domain, test on each other. `where` is the source."""

    run_means, reads, has_one_source = "Trained on", ("sources", "targets"), True

    def trainings(self, config: Config, manifest: Manifest) -> list[str]:
        tested = [source for source in _chosen(config.sources, manifest) if self.targets(config, manifest, [], source)]
        if not tested:
            raise ValueError(
                f"sources is {config.sources} and targets is {config.targets}: a single source is tested on the other "
                f"domains, and none is left. Give a target that is no source, or leave one of the two lists empty"
            )
        return tested

    def sources(self, manifest: Manifest, where: str) -> list[str]:
        return [where]

    def targets(self, config: Config, manifest: Manifest, tests: Sequence[Manifest], where: str) -> list[str]:
        return [domain for domain in _chosen(config.targets, manifest) if domain != where]


class CrossDataset(EvaluationProtocol):
    """Train on all domains of one data set, test on others with their own classes. `where` is the data set's name."""

    run_means, reads, is_across, noun_of_targets = "Trained on", ("test_data",), True, "data sets"

    def trainings(self, config: Config, manifest: Manifest) -> list[str]:
        return [manifest.dataset]

    def sources(self, manifest: Manifest, where: str) -> list[str]:
        return list(manifest.domains)

    def targets(self, config: Config, manifest: Manifest, tests: Sequence[Manifest], where: str) -> list[str]:
        return [test.dataset for test in tests]


PROTOCOLS: dict[str, EvaluationProtocol] = {
    "multi-source": MultiSource(),
    "single-source": SingleSource(),
    "cross-dataset": CrossDataset(),
}


def _chosen(names: list[str], manifest: Manifest) -> list[str]:
    if len(manifest.domains) < 2:
        raise ValueError(
            f"{manifest.dataset} in {manifest.root} has one domain ({manifest.domains[0]}), but testing on a domain "
            f"that training never saw needs at least two: expected <root>/<domain>/<class>/<images>"
        )
    for name in names:
        manifest.domain_index(name)
    return list(names) or list(manifest.domains)
