"""What a training and a test are known by."""

from __future__ import annotations

from dataclasses import dataclass

from spg_dist.file_names import file_name


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
class EvaluationSpec:
    """A trained run on one target: a domain it never saw, or another data set."""

    run: RunSpec
    target: str

    @property
    def name(self) -> str:
        """E.g. "spg sketch seed 1" or "spg photo seed 1 on sketch"."""
        return self.run.name if self.run.where == self.target else f"{self.run.name} on {self.target}"
