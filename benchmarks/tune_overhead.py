"""What a sweep adds to the training that its trials do: under a fifth for a trial of ten seconds.

    python -m benchmarks.tune_overhead                  # about three minutes on 2 cores, of which two are training
    python -m benchmarks.tune_overhead --trials 4 --epochs 20

A sweep on the embedded data, one trial at a time, beside bare training: the same generators by the same loop in this
process, with features, text tower and prompt labels loaded, no Ray and no study. Both take turns: a bare training, then
a sweep of a few trials more. A trial's time is that from one trial's end to the next one's, so it has all that Ray
Tune, the study, the final report and the files of a trial cost; starting Ray, the actor and the sweep is a row of its
own.

How trials share features: the cache's file is memory-mapped by every process, so a node holds it once. This is measured
with 50,000 rows in two processes: the resident size of the mapping, and the share of it that counts for each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.claims import Claim, print_table
from cache import FeatureCache, FeatureKey
from spg_dist.config import Config, parse_config
from spg_dist.distributed.executor import RayExecutor
from spg_dist.distributed.session import ray_session
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.pipeline.events import fail_at_once
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.prepare import encode, load_frozen_clip, load_images
from spg_dist.pipeline.training import train_runs
from spg_dist.plan import plan
from spg_dist.progress import Display
from spg_dist.run import runs_of
from tuning.folder import SweepFolder
from tuning.search import search
from tuning.space_files import load_space
from tuning.study import SweepStudy
from tuning.trial import trial_config

SPACE = "stage2.dropout: {low: 0.0, high: 0.6}\nstage2.weight_decay: {low: 1.0e-6, high: 1.0e-2, log: true}\n"
ROWS, WIDTH = 50_000, 512
MEBIBYTE = 2**20


@dataclass
class Timings:
    """Seconds: of a bare training, from a trial's end to the next one's, and from a sweep's call to its first end."""

    bare: list[float]
    trials: list[float]
    first: list[float]


def measure(rounds: int = 3, trials: int = 3, epochs: int = 45) -> list[Claim]:
    """Bare trainings and sweeps in turn, then the mapping."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home, _home(home):
        timings, encoded = _timings(Path(home), rounds, trials, epochs)
    bare, trial, first = (statistics.median(values) for values in (timings.bare, timings.trials, timings.first))
    resident, share = mapped_twice()
    return [
        Claim(
            claim="tune: a trial against the bare training it does",
            demand="overhead under 20 % for a trial of ten seconds",
            measured=f"{trial:.2f} s a trial, {bare:.2f} s bare ({100 * (trial / bare - 1):+.1f} %), 1 thread, "
            f"{60 / trial:.1f} trials/min one at a time, {encoded} images encoded",
            ratio=bare / trial,
            target=1 / 1.2,
        ),
        Claim(
            claim="tune: the first trial of a sweep",
            demand="what starting Ray Tune and its actor costs once",
            measured=f"{first:.1f} s to the end of the first trial, {first - trial:.1f} s more than a later one",
        ),
        Claim(
            claim="tune: features on a node, two processes over one",
            demand="mapped once, however many trials run",
            measured=f"{resident:.0f} MiB mapped in each of two processes, of which {share:.0f} MiB count for each",
            ratio=resident / (2 * share),
            target=0.95,
        ),
    ]


@contextmanager
def _home(folder: str) -> Iterator[None]:
    before = os.environ.get("SPG_HOME")
    os.environ["SPG_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["SPG_HOME"]
        else:
            os.environ["SPG_HOME"] = before


def _timings(home: Path, rounds: int, trials: int, epochs: int) -> tuple[Timings, int]:
    space_file = home / "space.yaml"
    space_file.write_text(SPACE)
    small = ["data.images_per_class=10", "seeds=[1]", "stage1.epochs=2", f"stage2.epochs={epochs}", "name=overhead"]
    config = parse_config([*small, f"tune.space={space_file}", "tune.trials=2", "tune.algorithm=random"], "overhead")
    builder = _encoded(config)
    before = _cached_rows(builder)
    timings = Timings([], [], [])
    with ray_session():
        executor = RayExecutor(cpus=1, gpus=0.0, workers=1, max_failures=0)
        for number in range(rounds):
            timings.bare.append(_bare_seconds(builder, home / f"bare-{number}"))
            ends = _sweep_ends(builder, home / f"sweep-{number}", trials + 1, executor)
            timings.first.append(ends[0])
            timings.trials += [later - earlier for earlier, later in pairwise(ends)]
    return timings, _cached_rows(builder) - before


def _encoded(config: Config) -> ExperimentBuilder:
    display = Display()
    manifests, clip = load_images(config, display), load_frozen_clip(config, display)
    folder = RunFolder(Path(config.runs) / config.name)
    return encode(trial_config(config), manifests, clip, folder, LocalExecutor(), display)[0]


def _cached_rows(builder: ExperimentBuilder) -> int:
    return len(FeatureCache.open(builder.views.root, builder.views.keys[0], store=builder.views.store).reader())


def _bare_seconds(builder: ExperimentBuilder, folder: Path) -> float:
    """Stage 2 of one configuration, prompt labels trained before."""
    config = builder.config
    mine = replace(builder, folder=SweepFolder(folder).trial(0, config)).build("cpu")
    train_runs(runs_of(config, mine, plan(config, mine.manifest).stage1), fail_at_once)
    began = time.perf_counter()
    train_runs(runs_of(config, mine, plan(config, mine.manifest).stage2), fail_at_once)
    return time.perf_counter() - began


def _sweep_ends(builder: ExperimentBuilder, folder: Path, trials: int, executor: RayExecutor) -> list[float]:
    """When each trial of a sweep ended, in seconds from its start."""
    tune = replace(builder.config.tune, trials=trials, concurrent=1)
    builder = replace(builder, config=replace(builder.config, tune=tune))
    space = load_space(tune.space, builder.config)
    place = SweepFolder(folder)
    place.root.mkdir(parents=True)
    study = SweepStudy(place.study, "overhead", space, tune, space.point_of(builder.config))
    ends: list[float] = []

    def changed(number: int) -> None:
        if study.trials()[number].state.is_finished():
            ends.append(time.perf_counter() - began)

    began = time.perf_counter()
    search(study, builder, place, executor, changed)
    assert study.finished == trials and study.best() is not None
    return ends


def mapped_twice() -> tuple[float, float]:
    """Two processes have read all of a cache's file: MiB resident in one of them, and what of that counts for it."""
    key = FeatureKey(backbone="benchmark", transform="benchmark", dtype="float16", width=WIDTH)
    with tempfile.TemporaryDirectory() as root:
        cache = FeatureCache.open(root, key)
        features = np.random.default_rng(1).standard_normal((ROWS, WIDTH)).astype(np.float16)
        cache.write_shard([f"{row:064x}" for row in range(ROWS)], features)
        mapped = cache.reader().matrix()
        mapped.sum(dtype=np.float64)  # this process keeps its mapping while the other measures
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            return process.submit(_read_all, root, key).result()


def _read_all(root: str, key: FeatureKey) -> tuple[float, float]:
    mapped = FeatureCache.open(root, key).reader().matrix()
    mapped.sum(dtype=np.float64)
    maps = [entry for entry in psutil.Process().memory_maps() if entry.path.startswith(os.path.realpath(root))]
    return sum(entry.rss for entry in maps) / MEBIBYTE, sum(entry.pss for entry in maps) / MEBIBYTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=45)
    given = parser.parse_args()
    print_table(measure(given.rounds, given.trials, given.epochs))


if __name__ == "__main__":
    main()
