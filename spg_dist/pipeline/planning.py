"""What a job would do, said and not done: what it would encode and train, what is finished, and what it would cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import torch

from spg_dist.clip.card import ClipCard, remembered
from spg_dist.clip.load import Clip
from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews, MissingFeatures
from spg_dist.experiment.folder import RunFolder, check_configuration
from spg_dist.home import resolve
from spg_dist.material import Material
from spg_dist.methods import method_of
from spg_dist.pipeline.executor import LocalExecutor
from spg_dist.pipeline.preflight import check_before_encoding
from spg_dist.pipeline.prepare import encode_job, load_frozen_clip, load_images, say_clip
from spg_dist.plan import Plan, plan
from spg_dist.progress import Display
from spg_dist.progress.duration import duration_text
from spg_dist.run import Run, runs_of
from spg_dist.training.loop import read_trained

TIMED_IMAGES = 8


def say_plan(config: Config, display: Display) -> None:
    """Print it. Weights and images that were not seen before are read, to know what they are; nothing is computed.

    Raises:
        ValueError: what would end the job before its work; what only the weights tell, where they are read.
    """
    folder = RunFolder(resolve(config.runs) / config.name)
    check_configuration(folder, config)
    manifests = load_images(config, display)
    card = None if config.prompt_labels else remembered(config.clip)  # imported labels are held against the text tower
    if card:
        say_clip(config, card, display)
        display.say("the weights are known and were not read: whether prompts and names fit them is not checked here")
    else:
        display.say("reading the weights: they were not seen before")
        clip = load_frozen_clip(config, display)
        check_before_encoding(config, manifests, clip, folder)
        card = clip
    looked = [encode_job(config, each, manifests[0], card, LocalExecutor(), display).look() for each in manifests]
    display.say("")
    _say_encoding(card, [missing for _, _, views in looked for missing in views], display)
    material, compiled = _material(config, card, looked, folder)
    if config.tune.trials:
        display.say(
            f"sweep: {config.tune.trials} trials of {config.tune.method}; what follows is trained as it chooses"
        )
    for title, specs in (("stage 1", compiled.stage1), ("stage 2", compiled.stage2)):
        _say_training(title, runs_of(config, material, specs), display)
    display.say(f"test: {len(compiled.tests)} runs on their targets, then {folder.report}")


def _material(
    config: Config, card: ClipCard, looked: Sequence[tuple[Manifest, CachedViews, object]], folder: RunFolder
) -> tuple[Material, Plan]:
    """What identities are made of: a model in memory is no part of it."""
    core, clip = config.core(), cast(Clip, card)
    own, *others = (Material(core, manifest, clip, views, folder) for manifest, views, _ in looked)
    material = Material(core, own.manifest, clip, own.views, folder, others)
    return material, plan(config, own.manifest, [other.manifest for other in others])


def _say_encoding(card: ClipCard, views: list[MissingFeatures], display: Display) -> None:
    wanted, missing = sum(view.wanted for view in views), sum(view.missing for view in views)
    if not missing:
        display.say(f"encode: nothing, all {wanted:,} features are in the cache")
        return
    megabytes = sum(view.bytes for view in views) / 1e6
    said = f"encode: {missing:,} of {wanted:,} features, {megabytes:,.1f} MB"
    if isinstance(card, Clip):
        seconds = missing * _seconds_an_image(card)
        threads = f"{count} threads" if (count := torch.get_num_threads()) > 1 else "one thread"
        said += f"; about {duration_text(seconds)} in the image tower with {threads} of this machine, less with more "
        said += "workers or an accelerator"
    display.say(said)


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
