"""The phases of a job: `jobs/full_pipeline.py` has them all in order; other jobs stop earlier or begin later."""

from __future__ import annotations

from spg_dist.config import Config
from spg_dist.encode.job import EncodeSummary
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.pipeline.executor import Executor
from spg_dist.pipeline.prepare import encode, load_frozen_clip, load_images, train
from spg_dist.pipeline.reporting import report_run
from spg_dist.progress import Stopwatch


def prepare_and_encode(
    config: Config, folder: RunFolder, executor: Executor, watch: Stopwatch
) -> tuple[ExperimentBuilder, EncodeSummary]:
    """Images, CLIP and cached features."""
    display = watch.display
    with watch.phase("prepare: images, splits, frozen CLIP"):
        manifests = load_images(config, display)
        clip = load_frozen_clip(config, display)
    with watch.phase("encode: every image once, into the cache"):
        return encode(config, manifests, clip, folder, executor, display)


def train_both_stages(builder: ExperimentBuilder, executor: Executor, watch: Stopwatch) -> None:
    """All trainings of the plan; what is finished is found finished."""
    with watch.phase("stage 1: a prompt label for each domain"):
        train(builder, builder.plan.stage1, executor, watch.display)
    with watch.phase("stage 2: the prompt generator"):
        train(builder, builder.plan.stage2, executor, watch.display)


def test_and_report(builder: ExperimentBuilder, summary: EncodeSummary, executor: Executor, watch: Stopwatch) -> None:
    """The final test of all that was trained, and what people read of it."""
    with watch.phase("test: on what training never saw"):
        tested = executor.test(builder, builder.plan.tests, watch.display)
    with watch.phase("report"):
        report_run(builder.config, builder.build(device="cpu"), tested, summary, watch.costs(), watch.display)
