"""How hyperparameters are searched; the search itself is `tuning/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from spg_dist.methods import in_focus


@dataclass(frozen=True)
class AshaConfig:
    """Asynchronous successive halving (Li et al., 2020): stop the trials that fall behind early."""

    enabled: bool = False
    """Stop early by the val accuracy of stage 2's epochs; needs an algorithm with a single objective (not nsga2)."""

    first_epochs: int = 10
    """Epochs that every trial gets; it is judged there, then at `reduction` times as many, and so on."""

    reduction: int = 3
    """One in so many of the trials judged at the same epoch goes on."""

    def __post_init__(self) -> None:
        if self.first_epochs < 1:
            raise ValueError(f"first_epochs is {self.first_epochs}, expected 1 or more")
        if self.reduction < 2:
            raise ValueError(f"reduction is {self.reduction}, expected 2 or more")


@dataclass(frozen=True)
class TuneConfig:
    """A sweep over hyperparameters of both stages, judged by the source domains' val split alone."""

    trials: int = 0
    """Configurations to try, the given one among them as trial 0; 0 = no sweep. More may be asked for later under the
    same name."""

    method: str = field(default_factory=lambda: in_focus().name)
    """The method that is tuned; with it, what it needs (`spg`: the prompt labels)."""

    space: str = "gan"
    """What is searched: `gan` (stage 2), `quick` (stage 2, no trial dearer than the given configuration), `prompt`
    (stage 1), `joint` (both), or a YAML file of field: {low, high, log} or {choices} (docs/tuning.md)."""

    algorithm: Literal["tpe", "nsga2", "random", "grid"] = "tpe"
    """`tpe` = tree-structured Parzen estimator; `nsga2` = val accuracy against seconds of training; `random`; `grid` =
    all combinations of choices and whole numbers in order."""

    asha: AshaConfig = field(default_factory=AshaConfig)
    """Early stopping."""

    seeds: list[int] = field(default_factory=list)
    """Seeds of every trial, whose mean is judged; empty = the run's `seeds`."""

    concurrent: int = 0
    """Trials at a time; 0 = as many as the cluster has room for."""

    sampler_seed: int = 1
    """Seed of the search itself. One trial at a time, the same seed gives the same trials."""

    folder: str = "sweeps"
    """Folder of all sweeps: this one's files go to `<folder>/<name>`."""

    def __post_init__(self) -> None:
        if self.trials < 0 or self.concurrent < 0:
            raise ValueError(f"trials is {self.trials}, concurrent {self.concurrent}, expected both to be zero or more")
        if self.trials == 1:
            raise ValueError(
                "trials is 1, and trial 0 is the given configuration itself: expected 0 (no sweep) or more"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds is {self.seeds}, expected no repetition, e.g. [1,2,3]")
        if self.asha.enabled and self.algorithm == "nsga2":
            raise ValueError(
                "algorithm is nsga2 and asha.enabled is true: a trial that is stopped early would look cheap, and so "
                "good, to the second objective. Take tune.algorithm=tpe, or tune.asha.enabled=false"
            )
