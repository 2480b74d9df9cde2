"""Trials on Ray Tune: each is a function call in an actor that goes on to the next one, with CLIP loaded and the
features memory-mapped."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch

from spg_dist.config import Config
from spg_dist.distributed.executor import RayExecutor
from spg_dist.distributed.session import ray
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.material import Material
from spg_dist.methods import METHODS, settings_of
from tuning.folder import SweepFolder
from tuning.spaces import with_values
from tuning.study import SweepStudy, rungs
from tuning.trial import TrialOutcome, run_trial

from ray import tune  # isort: skip - after session has set Ray's environment
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # isort: skip
from ray.tune.search import Searcher  # isort: skip

# Ray Tune reads these when a sweep starts: no log files of each trial and no table of its own (the study has it all),
# and Ctrl-C is the job's own to answer.
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it warns that there are no log files

REPORT_SECONDS = 2.0
"""Between judged epochs a trial says where it is so often: every report costs a round trip to the driver."""

Changed = Callable[[int], None]
"""Called in the driver when the trial of that number started, went on or ended."""


def search(
    study: SweepStudy, builder: ExperimentBuilder, folder: SweepFolder, executor: RayExecutor, changed: Changed
) -> None:
    """Run the trials that are left, as many at a time as there is room for."""
    left = study.total - study.finished
    if left <= 0:
        return
    trainable = tune.with_parameters(_run_in_actor, stored=[ray.put(builder)], folder=folder)
    resources: dict[str, float] = {"cpu": executor.cpus, "gpu": executor.gpus}
    searcher = StudySearcher(study, folder, changed)
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(searcher),
            num_samples=left,
            max_concurrent_trials=min(builder.config.tune.concurrent or executor.slots, left),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            # a name of its own: Ray Tune goes on with nothing, the study does
            name=f"tune-{uuid.uuid4().hex[:12]}",
            storage_path=str(folder.ray),
            stop=StopsAtFault(searcher),
            failure_config=tune.FailureConfig(max_failures=executor.max_failures),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder.ray, ignore_errors=True)
    if searcher.fault:
        raise MachineFault(searcher.fault)


class MachineFault(OSError):
    """The machine failed a trial: the sweep ends, and the trial waits to be handed out again."""


class StudySearcher(Searcher):
    """Hands Ray Tune the study's trials, and the study what became of them."""

    def __init__(self, study: SweepStudy, folder: SweepFolder, changed: Changed) -> None:
        super().__init__(metric="val_accuracy", mode="max")
        self.study, self.folder, self.changed = study, folder, changed
        self.numbers: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.fault = ""

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self.fault:
            return None
        asked = self.study.ask()
        self.numbers[trial_id] = asked.number
        self.changed(asked.number)
        return asdict(asked)

    def judge(self, trial_id: str, result: dict[str, Any]) -> bool:
        """True if a trial that has reported should stop."""
        number = self.numbers[trial_id]
        if self.study.report(number, result["epochs"], result["val_accuracy"]):
            self.stopped.add(trial_id)
        self.changed(number)
        return trial_id in self.stopped

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        number, result = self.numbers[trial_id], result or {}
        if error:
            result = {"fault": "its process died each time it was tried: out of memory, or a node was lost"}
        if "fault" in result:
            self.fault = self.fault or _in_words(number, result["fault"])
        if "fault" in result or (self.fault and "outcome" not in result):
            self.study.leave(number)
            return
        best = self.study.best()
        if trial_id in self.stopped:
            self.study.stop(number)
        elif "outcome" in result:
            self.study.complete(number, TrialOutcome(**json.loads(result["outcome"])))
        else:
            self.study.fail(number, result["reason"], result["traceback"])
        self._keep_only_the_best(number, best.number if best else 0)
        self.changed(number)

    def _keep_only_the_best(self, number: int, before: int) -> None:
        """Weights of trial 0 and of the best trial are wanted for the final test; the others' would fill the disk."""
        best = self.study.best()
        for useless in {number, before} - {0, best.number if best else 0}:
            self.folder.discard(useless)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray Tune stores its searcher, but goes on with nothing; the study does."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: all state is in the study's file."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class StudyScheduler(FIFOScheduler):
    """Stops the trials that the study says should stop."""

    def __init__(self, searcher: StudySearcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        intermediate = "epochs" in result
        stop = intermediate and self.searcher.judge(trial.trial_id, result)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE


class StopsAtFault(tune.Stopper):
    """Ends the search once the machine has failed a trial: what failed one would fail the next."""

    def __init__(self, searcher: StudySearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self.searcher.fault)


def _in_words(number: int, fault: str) -> str:
    return (
        f"trial {number}: {fault}. That says nothing of its hyperparameters, so the sweep ends here. Once it is fixed, "
        f"run the same command again: finished trials are kept, and this one resumes. (Were they too much for the "
        f"machine's memory, narrow the space, e.g. to smaller batches)"
    )


@lru_cache(maxsize=1)
def _experiment(stored: ray.ObjectRef[Any]) -> tuple[Config, Material]:
    """The features and the text tower, once for all trials of an actor."""
    builder: ExperimentBuilder = ray.get(stored)
    material = builder.build()
    assert len(material.table) and material.tower  # opened now: a trial works on a copy that shares them
    return builder.config, material


def _run_in_actor(asked: dict[str, Any], stored: list[ray.ObjectRef[Any]], folder: SweepFolder) -> None:
    try:
        given, material = _experiment(stored[0])
        torch.set_num_threads(material.core.execution.cpus_per_worker)
        config = with_values(given, asked["values"])
        report = _Report(rungs(config.tune.asha, _epochs(config)))
        outcome = run_trial(material, config, folder.trial(asked["number"], config), report)
        tune.report({"outcome": json.dumps(asdict(outcome)), "val_accuracy": outcome.val_accuracy})
    except ValueError as error:  # it diverged, or its settings do not fit: the trial's own, and the sweep goes on
        told = {"reason": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        tune.report({**told, "val_accuracy": float("nan")})
    except OSError as error:
        tune.report({"fault": str(error), "val_accuracy": float("nan")})
    except Exception as error:  # no memory for it, or a fault of this program, whose place is wanted
        where = traceback.format_exc() if not isinstance(error, MemoryError) else ""
        tune.report({"fault": f"{type(error).__name__}: {error}\n{where}".rstrip(), "val_accuracy": float("nan")})


def _epochs(config: Config) -> int:
    """Of a run of the tuned method."""
    method = METHODS[config.tune.method]
    return method.epochs(settings_of(config, method))


class _Report:
    """Tells Ray Tune about the epochs that are judged, and now and then about others."""

    def __init__(self, judged: set[int]) -> None:
        self.judged, self.told = judged, time.monotonic()

    def __call__(self, epochs: int, val_accuracy: float) -> None:
        now = time.monotonic()
        if epochs in self.judged or now - self.told >= REPORT_SECONDS:
            self.told = now
            tune.report({"epochs": epochs, "val_accuracy": val_accuracy})
