"""A sweep's folder: where its files are, who may write there, and that it stays one sweep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from blake3 import blake3

from cache.durable import write_text
from spg_dist.config import Config, dump_config, load_config
from spg_dist.config.yaml_text import write_yaml
from spg_dist.encode.job import CachedViews
from spg_dist.experiment.folder import PLACES, RunFolder
from spg_dist.experiment.one_job import only_job, put_back_if_refused
from spg_dist.experiment.runs import RunSpec
from spg_dist.home import resolve
from spg_dist.methods import METHODS, branches, method_of, searched_branches, settings_of
from tuning.spaces import Space

# What may change between two invocations of one sweep, because no trial depends on it: how it is executed, how many
# trials there are, what the final test adds. The trials' own seeds are compared as `seeds`.
FREE = (*PLACES, "test", "runs", "plugins", "tune.trials", "tune.concurrent", "tune.seeds", "tune.folder")

SWEEPS_ELSEWHERE = "tune.folder=/data/sweeps"


@dataclass(frozen=True)
class TrialFolder(RunFolder):
    """The runs of one trial; its prompt labels lie where all trials with the same stage-1 settings find them."""

    labels: Path

    def artifact(self, spec: RunSpec) -> Path:
        return RunFolder(self.labels).artifact(spec) if _is_shared(spec) else super().artifact(spec)

    def checkpoint(self, spec: RunSpec) -> Path:
        return RunFolder(self.labels).checkpoint(spec) if _is_shared(spec) else super().checkpoint(spec)


def _is_shared(spec: RunSpec) -> bool:
    return method_of(spec.method).by_domain


@dataclass(frozen=True)
class SweepFolder:
    """Paths below `<tune.folder>/<name>`."""

    root: Path

    @classmethod
    def of(cls, config: Config) -> SweepFolder:
        return cls(resolve(config.tune.folder) / config.name)

    @property
    def study(self) -> Path:
        """SQLite, which Optuna's own tools open: `optuna-dashboard sqlite:///<path>`."""
        return self.root / "study.db"

    @property
    def settings(self) -> Path:
        return self.root / "sweep.yaml"

    @property
    def trials(self) -> Path:
        return self.root / "trials.csv"

    @property
    def best(self) -> Path:
        return self.root / "best.yaml"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def ray(self) -> Path:
        """What Ray Tune writes while it runs."""
        return self.root / "ray-tune"

    def trial(self, number: int, config: Config) -> TrialFolder:
        """The folder of a trial; stage 1 is addressed by its settings, so that trials share it."""
        needed = [asdict(settings_of(config, method)) for method in METHODS[config.tune.method].needed]
        shared = needed[0] if len(needed) == 1 else needed
        return TrialFolder(self._trial_root(number), self.root / "stage1" / _digest(shared))

    def final(self, which: str) -> RunFolder:
        """The runs with the final seeds: "defaults" or "best"."""
        return RunFolder(self.root / "final" / which)

    def discard(self, number: int) -> None:
        """Delete a trial's weights: its result is in the study."""
        if self._trial_root(number).exists():
            shutil.rmtree(self._trial_root(number))

    def _trial_root(self, number: int) -> Path:
        return self.root / "trials" / str(number)


@contextmanager
def open_sweep(config: Config, space: Space, views: CachedViews) -> Iterator[SweepFolder]:
    """The folder of a sweep, for one job at a time, with its settings written into it.

    Arguments:
        config: of its trials.
        views: the features that they train on.

    Raises:
        ValueError: the folder cannot be made or written, another job is writing to it, or it holds a sweep with other
            settings.
        OSError: the disk is full.
    """
    folder = SweepFolder.of(config)
    settings = {
        "config": yaml.safe_load(dump_config(config)),
        "space": {dimension.name: str(dimension.domain) for dimension in space.dimensions},
        "features": _digest([views.digests, [key.digest for key in views.keys]]),
    }
    with only_job(folder.root, SWEEPS_ELSEWHERE), put_back_if_refused(folder.root, (folder.settings,)):
        _check_settings(folder, config, settings)
        write_text(folder.settings, write_yaml(settings))
        yield folder


def _digest(value: Any) -> str:
    return blake3(json.dumps(value, sort_keys=True).encode()).hexdigest(length=8)


def _check_settings(folder: SweepFolder, config: Config, asked: dict[str, Any]) -> None:
    if not folder.study.exists():
        return
    stored = yaml.safe_load(folder.settings.read_text(encoding="utf-8"))
    # through the configuration's own defaults: an earlier version may have lacked a field
    complete = yaml.safe_load(dump_config(load_config(write_yaml(stored["config"]), str(folder.settings))))
    there, here = _flat(complete), _flat(asked["config"])
    free = (*FREE, *(branches().keys() - searched_branches(config)))  # the other methods' settings
    differing = [
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name) and not any(f"{name}.".startswith(f"{one}.") for one in free)
    ]
    if stored["space"] != asked["space"]:
        differing.append(f"the space {asked['config']['tune']['space']} has changed")
    if stored["features"] != asked["features"]:
        differing.append("the images or their features have changed")
    if differing:
        raise ValueError(
            f"{folder.root} holds a sweep with other settings: {'; '.join(differing[:5])}. "
            f"Give this one another name=..., or delete that folder to start over"
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
