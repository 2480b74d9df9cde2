"""What a job would do, said and not done: what it would encode and train, what is finished, and what it would cost."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import torch

from spg_dist.clip.load import Clip
from spg_dist.config import Config
from spg_dist.encode.job import MissingFeatures
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder, check_configuration
from spg_dist.home import resolve
from spg_dist.methods import method_of
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.preflight import check_before_encoding
from spg_dist.pipeline.prepare import encode_job, load_frozen_clip, load_images
from spg_dist.progress import Display
from spg_dist.progress.duration import duration_text
from spg_dist.run import Run, runs_of
from spg_dist.training.loop import read_trained

TIMED_IMAGES = 8


def say_plan(config: Config, display: Display) -> None:
    """Print it. Weights are loaded and images that are new are read, to know what they are; nothing is computed.

    Raises:
        ValueError: whatever would end the job before its first hour of work.
    """
    folder = RunFolder(resolve(config.runs) / config.name)
    check_configuration(folder, config)
    manifests, clip = load_images(config, display), load_frozen_clip(config, display)
    check_before_encoding(config, manifests, clip, folder)
    jobs = [encode_job(config, manifest, manifests[0], clip, LocalExecutor(), display) for manifest in manifests]
    looked = [job.look() for job in jobs]
    display.say("")
    _say_encoding(clip, [missing for _, _, views in looked for missing in views], display)
    (trained_on, views, _), *tests = looked
    builder = ExperimentBuilder(config, trained_on, views, folder, tuple((there, seen) for there, seen, _ in tests))
    if config.tune.trials:
        display.say(
            f"sweep: {config.tune.trials} trials of {config.tune.method}; what follows is trained as it chooses"
        )
    runs = runs_of(config, builder.build(device="cpu"), builder.plan.trainings)
    for title, specs in (("stage 1", builder.plan.stage1), ("stage 2", builder.plan.stage2)):
        _say_training(title, [run for run in runs if run.spec in specs], display)
    display.say(f"test: {len(builder.plan.tests)} runs on their targets, then {folder.report}")


def _say_encoding(clip: Clip, views: list[MissingFeatures], display: Display) -> None:
    wanted, missing = sum(view.wanted for view in views), sum(view.missing for view in views)
    if not missing:
        display.say(f"encode: nothing, all {wanted:,} features are in the cache")
        return
    megabytes = sum(view.bytes for view in views) / 1e6
    seconds = missing * _seconds_an_image(clip)
    display.say(
        f"encode: {missing:,} of {wanted:,} features, {megabytes:,.1f} MB; about {duration_text(seconds)} in the image "
        f"tower on this machine's {torch.get_num_threads()} thread(s), less on more workers or an accelerator"
    )


def _seconds_an_image(clip: Clip) -> float:
    """Of the image tower here, the second of two batches."""
    size = clip.preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else size
    pixels = torch.zeros(TIMED_IMAGES, 3, height, width)
    seconds = 0.0
    with torch.no_grad():
        for _ in range(2):
            began = time.perf_counter()
            clip.model.encode_image(pixels)
            seconds = time.perf_counter() - began
    return seconds / TIMED_IMAGES


def _say_training(title: str, runs: list[Run[Any]], display: Display) -> None:
    """A line a method."""
    for name, count in Counter(run.spec.method for run in runs).items():
        mine = [run for run in runs if run.spec.method == name]
        finished = [run for run in mine if run.is_finished]
        begun = [run for run in mine if run not in finished and run.material.folder.checkpoint(run.spec).exists()]
        epochs = method_of(name).epochs(mine[0].settings)
        said = f"{title}: {name}: {count} runs of {epochs} epoch{'s' if epochs > 1 else ''}, {len(finished)} finished"
        said += f", {len(begun)} to resume" if begun else ""
        left = count - len(finished)
        if finished and left:
            each = sum(read_trained(run.material.folder.artifact(run.spec)).seconds for run in finished) / len(finished)
            said += f"; about {duration_text(left * each)} of one worker for the others, by what these took"
        display.say(said)
