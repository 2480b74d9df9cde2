"""Workers of Ray Train: one `fit()` for all trainings and tests of a job, whose runs are spread over them.

A `fit()` costs over ten seconds before it does anything, so its workers stay and take one order after another: train
these runs, test those. Every run checkpoints itself into the run's folder: when a worker dies, Ray Train starts the
group again, finished runs are found finished and the others resume from their last checkpoint, as they do when the
whole job is killed and submitted again.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spg_dist.config import Config
from spg_dist.distributed.post import Post
from spg_dist.distributed.session import in_background, ray
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.runs import EvaluationSpec, RunSpec
from spg_dist.material import Material
from spg_dist.pipeline.events import Event, RunFailed, RunsFailed, TrainingWatch
from spg_dist.pipeline.testing import EvaluatedRun, test_run
from spg_dist.pipeline.training import epochs_of, train_runs
from spg_dist.progress import Display
from spg_dist.run import run_of, runs_of

from ray.train import FailureConfig, RunConfig, ScalingConfig  # isort: skip - after session has set Ray's environment
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer  # isort: skip

NEWS_SECONDS = 0.5
GOODBYE_SECONDS = 30.0


@dataclass(frozen=True)
class EvaluationFailed:
    """A test that cannot be made, whatever is restarted."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """Runs that a worker is done with, however they ended."""

    specs: list[RunSpec] | list[EvaluationSpec]


News = Event | EvaluatedRun | EvaluationFailed
Tell = Callable[[News], None]


class Workers:
    """Workers that train and test what they are told to, one order after another, until they are dismissed.

    Arguments:
        number: of workers.
        cpus, gpus: of each.
        max_failures: so often Ray Train starts them again.
        storage: folder for Ray Train's own files.
    """

    def __init__(self, number: int, cpus: int, gpus: float, max_failures: int, storage: Path) -> None:
        self.number = number
        self._post: Any = ray.remote(Post).options(num_cpus=0).remote()
        # not TorchTrainer: no run is spread over processes, so none needs the process group that its workers would wait
        # for; and it shows every GPU of a node to each worker, so that all of them would take the first
        trainer = DataParallelTrainer(
            _work,
            train_loop_config={"post": self._post, "threads": cpus},
            scaling_config=ScalingConfig(
                num_workers=number,
                use_gpu=gpus > 0,
                resources_per_worker={"CPU": cpus, **({"GPU": gpus} if gpus > 0 else {})},
            ),
            run_config=RunConfig(
                # a new name each time: under an old one Ray Train would resume, and our runs resume by themselves
                name=f"fit-{uuid.uuid4().hex[:12]}",
                storage_path=str(storage),
                failure_config=FailureConfig(max_failures=max_failures),
            ),
        )
        self._fit = in_background(trainer.fit)

    def train(self, builder: ExperimentBuilder, specs: list[RunSpec], display: Display) -> None:
        """Train runs to their files.

        Raises:
            RunsFailed: some runs diverged or could not write their files; the others are finished.
        """
        display.training(len(specs), epochs_of(builder.config, specs))
        watch = TrainingWatch(builder.folder, display)
        for news in self._news_of(_train_share, builder, specs):
            if isinstance(news, Event):
                watch(news)
        watch.finish()

    def test(self, builder: ExperimentBuilder, specs: Sequence[EvaluationSpec], display: Display) -> list[EvaluatedRun]:
        """Test runs, in the order of `specs`. Raises RunsFailed."""
        display.testing(len(specs))
        failed: list[str] = []
        tested: dict[EvaluationSpec, EvaluatedRun] = {}
        for news in self._news_of(_test_share, builder, specs):
            if isinstance(news, EvaluatedRun) and news.spec not in tested:
                tested[news.spec] = news
                display.run_tested(news.spec.name, news.accuracy)
            elif isinstance(news, EvaluationFailed):
                failed.append(news.reason)
        if failed:
            raise RunsFailed("; ".join(failed))
        return [tested[spec] for spec in specs]

    def dismiss(self) -> None:
        """Let them end, so that what they hold is free."""
        if not self._fit.done():
            ray.get(self._post.close.remote())
            wait([self._fit], GOODBYE_SECONDS)  # what they raise now matters to nobody: their work is done
        ray.kill(self._post)

    def _news_of(
        self,
        share: Callable[..., None],
        builder: ExperimentBuilder,
        specs: Sequence[RunSpec] | Sequence[EvaluationSpec],
    ) -> Iterator[News]:
        """Give an order, and yield what workers tell until all its runs have ended."""
        # a reference in a list, which Ray leaves alone: the post need not import what it carries
        number = ray.get(self._post.give.remote([ray.put((share, builder, specs))]))
        left = set[RunSpec | EvaluationSpec](specs)
        while left:
            over = self._fit.done()
            for of_order, packed in ray.get(self._post.news.remote(NEWS_SECONDS)):
                if of_order != number:  # of an order that is done, from workers that were started again
                    continue
                news = pickle.loads(packed)  # noqa: S301 - from this job's own workers
                if isinstance(news, Ended):
                    left.difference_update(news.specs)
                else:
                    yield news
            if over and left:
                self._fit.result()
                raise RuntimeError(f"the workers ended, but {len(left)} runs had not")


def _work(config: dict[str, Any]) -> None:
    """What a worker does: its share of every order."""
    context, post = ray.train.get_context(), config["post"]
    torch.set_num_threads(config["threads"])
    number = 0
    while given := ray.get(post.order.remote(after=number)):
        number, (order,) = given
        work, builder, specs = ray.get(order)
        share = specs[context.get_world_rank() :: context.get_world_size()]
        work(builder.config, builder.build(), share, partial(_tell, post, number))
        _tell(post, number, Ended(share))


def _tell(post: Any, number: int, news: News | Ended) -> None:
    # packed here, not a reference: what a worker owns is lost with it
    ray.get(post.tell.remote(number, pickle.dumps(news)))


def _train_share(config: Config, material: Material, specs: list[RunSpec], tell: Tell) -> None:
    def tell_plainly(event: Event) -> None:
        if isinstance(event, RunFailed):  # for the user to fix: a restart would not help, and other runs can continue
            event = replace(event, error=RunsFailed(str(event.error)))  # which the driver can unpickle, whatever it was
        tell(event)

    train_runs(runs_of(config, material, specs), tell_plainly)


def _test_share(config: Config, material: Material, specs: list[EvaluationSpec], tell: Tell) -> None:
    for spec in specs:
        try:
            tell(test_run(run_of(config, material, spec.run), spec.target))
        except (ValueError, OSError) as error:
            tell(EvaluationFailed(str(error)))
