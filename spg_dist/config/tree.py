"""The whole configuration of a run: one typed tree, each branch defined next to what it configures.

`Config` is what the program itself reads. What methods are set by comes from the methods: `config_class` adds a branch
for each of them.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from functools import lru_cache
from typing import Any, Literal, get_type_hints

from cache.extensions import carried
from spg_dist.clip.config import ClipConfig
from spg_dist.config.tune import TuneConfig
from spg_dist.data.config import DataConfig
from spg_dist.encode.config import CacheConfig, EncodeConfig
from spg_dist.methods import METHODS, branches
from spg_dist.protocols import PROTOCOLS


@dataclass(frozen=True)
class ExecutionConfig:
    """Where and how the work runs. None of it is part of a run's identity. The number of threads can move the last bits
    of a result, and on an accelerator so can the runs that it is trained with; both are recorded."""

    backend: Literal["ray", "local"] = "ray"
    """`ray` = tasks and training workers on a Ray cluster; `local` = everything in this process, for a debugger."""

    workers: int = 0
    """Training workers; 0 = as many as there are runs and free accelerators (or CPUs, on a cluster without)."""

    gpus_per_worker: float = 0.0
    """Accelerators of one training worker or encode task; 0 = one if the cluster has any, else none. Fractions share
    one."""

    cpus_per_worker: int = 1
    """CPUs of one training worker, and its torch threads. A run that is begun with one number and resumed with another
    says that its last bits may differ; a finished one is kept."""

    runs_together: int = 48
    """Runs that one worker trains in lockstep, epoch by epoch, and as one program where that is faster; further ones
    follow. A generator of the paper's size, with its moments and best weights, takes about 100 MB of its memory."""

    checkpoint_seconds: float = 15.0
    """At least so many seconds between two checkpoints of one run, more where runs trained together would spend over a
    twentieth of their time on them; 0 = after every epoch."""

    max_failures: int = 3
    """How often training is restarted from its checkpoints after a worker died."""

    def __post_init__(self) -> None:
        if self.workers < 0 or self.gpus_per_worker < 0 or self.max_failures < 0 or self.checkpoint_seconds < 0:
            raise ValueError(
                "execution: workers, gpus_per_worker, checkpoint_seconds and max_failures must be zero or more"
            )
        if self.runs_together < 1:
            raise ValueError(f"execution.runs_together is {self.runs_together}, expected 1 or more")
        if self.cpus_per_worker < 1:
            raise ValueError(f"execution.cpus_per_worker is {self.cpus_per_worker}, expected 1 or more")


@dataclass(frozen=True)
class EvaluationConfig:
    """The generator draws noise in the test too: a result is a mean over draws."""

    noise: Literal["draw", "zero"] = "draw"
    """`draw` = random noise z for every image; `zero` = z is 0."""

    draws: int = 3
    """Draws of the noise; the accuracy is their mean, and their spread is reported."""

    average: bool = False
    """Average each image's class probabilities over the draws into one prediction."""

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws is {self.draws}, expected 1 or more")


@dataclass(frozen=True)
class Config:
    """A run of spg-dist: what to train on which data, and where to put it."""

    name: str = "run"
    """Name of the run: its results go to the folder `<runs>/<name>`."""

    runs: str = "runs"
    """Folder of all runs (on a cluster: on storage that all nodes share)."""

    protocol: Literal["multi-source", "single-source", "cross-dataset"] = "multi-source"
    """`multi-source` leaves each target out in turn; `single-source` trains on each source and tests on the others;
    `cross-dataset` trains on all of `data` and tests on each of `test_data`, with its own classes."""

    targets: list[str] = field(default_factory=list)
    """Target domains; empty = every domain."""

    sources: list[str] = field(default_factory=list)
    """Source domains of the single-source protocol; empty = every domain in turn."""

    test_data: list[DataConfig] = field(default_factory=list)
    """Data sets that the cross-dataset protocol tests on, e.g. [{dataset: pacs, root: /data/PACS}]."""

    selection: Literal["source-val", "last", "oracle"] = "source-val"
    """Which epoch of a run is kept: the best on the sources' val split, the last, or (a ceiling, never for tuning)
    the best on the target's val split."""

    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    """Seeds; every one reseeds everything, stage 1 included."""

    methods: list[str] = field(default_factory=lambda: _shown_by_default())
    """Methods in the results table."""

    plugins: list[str] = field(default_factory=list)
    """Python files of your own that add methods, generators, data sets, layouts or stores (docs/extending.md). Read
    before all other fields, so that these can name what they add."""

    prompt_labels: str = ""
    """Folder with published prompt labels (`*_<domain's first letter>.pt`) to use in place of stage 1; empty = train
    stage 1."""

    data: DataConfig = field(default_factory=DataConfig)
    """Images and splits."""

    clip: ClipConfig = field(default_factory=ClipConfig)
    """The frozen CLIP."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    """The feature cache."""

    encode: EncodeConfig = field(default_factory=EncodeConfig)
    """Images to features."""

    test: EvaluationConfig = field(default_factory=EvaluationConfig)
    """The final test."""

    tune: TuneConfig = field(default_factory=TuneConfig)
    """The search for hyperparameters before the training (full_pipeline.py, tune.py)."""

    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    """Workers, checkpoints, restarts."""

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise ValueError(f"name is {self.name!r}, expected the name of one folder, e.g. pacs-vit")
        if not self.runs:
            raise ValueError("runs is empty, expected the folder of all runs, e.g. runs=/data/runs")
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"seeds is {self.seeds}, expected at least one, and numbers from 0 on, e.g. [1,2,3]")
        for name in ("seeds", "targets", "sources"):
            if len(set(given := getattr(self, name))) < len(given):
                raise ValueError(f"{name} is {given}, expected no repetition")
        protocol = PROTOCOLS[self.protocol]
        for name in ("sources", "targets"):
            readers = [known for known, one in PROTOCOLS.items() if name in one.reads]
            if getattr(self, name) and self.protocol not in readers:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but protocol {self.protocol} does not read it: leave it out, "
                    f"or give protocol={' or '.join(readers)}"
                )
        if protocol.is_across != bool(self.test_data):
            raise ValueError(
                f"protocol is {self.protocol} and test_data names {len(self.test_data)} data sets: "
                f"cross-dataset, and only that, needs one, e.g. test_data='[{{dataset: pacs, root: /data/PACS}}]'"
            )
        if protocol.is_across and self.selection == "oracle":
            raise ValueError(
                "selection is oracle, but across data sets the target's classes are others: use source-val or last"
            )
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise ValueError(f"methods is {self.methods}, expected at least one and no repetition")
        for field_name, name in [*(("methods", name) for name in self.methods), ("tune.method", self.tune.method)]:
            if name not in METHODS:
                near = difflib.get_close_matches(name, METHODS.names(), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{field_name}: expected one of {', '.join(METHODS.names())}, got {name!r}{hint}")

    def __reduce__(self) -> Any:
        """To another process as its own text, with the plugins that its branches come from."""
        from spg_dist.config.command_line import dump_config, load_config

        return carried(load_config, dump_config(self), "the configuration")

    def core(self) -> Config:
        """The same without the methods' branches."""
        return Config(**{each.name: getattr(self, each.name) for each in fields(Config)})


def config_class() -> type[Config]:
    """The configuration with a branch for each method that is known now."""
    return _with_branches(branch_classes())


def branch_classes() -> tuple[tuple[str, Any], ...]:
    """The methods' branches, and the dataclass of each."""
    return tuple((branch, _with_types(method.settings)) for branch, method in branches().items())


def _with_types(settings: Any) -> Any:
    """The dataclass with its fields' types in place of their names: to look names up, jsonargparse would import what
    the method's module imports for type checkers alone, torch among it."""
    types = get_type_hints(settings)
    settings.__init__.__annotations__.update(types)
    for kind in filter(is_dataclass, types.values()):
        _with_types(kind)
    return settings


@lru_cache(maxsize=8)
def _with_branches(settings: tuple[tuple[str, Any], ...]) -> type[Config]:
    added = [(branch, kind, field(default_factory=kind)) for branch, kind in settings]
    return make_dataclass("Config", added, bases=(Config,), frozen=True, namespace={"__module__": __name__})


def _shown_by_default() -> list[str]:
    return [method.name for method in sorted(METHODS, key=lambda method: method.rank) if method.shown_by_default]
