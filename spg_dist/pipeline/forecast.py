"""What many classes will cost, said before it is paid: every prompt takes all of them through the text tower."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.material import Material
from spg_dist.pipeline.executor import Executor
from spg_dist.plan import plan
from spg_dist.progress.duration import duration_text
from spg_dist.run import Run

MANY_CLASSES = 200
"""From here on an epoch can take minutes, and with it the first word of how long all of them will."""
TIMED_CLASSES = 50
USUAL_LENGTH = 4  # context tokens, where no run says its own


def forecast(runs: Sequence[Run[Any]], executor: Executor) -> str:
    """How long training and testing some runs will take, by a step that is timed; empty with fewer than MANY_CLASSES.

    Only a processor is timed: where the cluster has accelerators, the driver may have none.

    Arguments:
        runs: of one experiment, on the driver's processor.
    """
    runs = [run for run in runs if run.method.prompts_in_training != "none" or run.method.prompt_for_each_image]
    if not runs:
        return ""
    material = runs[0].material
    classes = len(material.manifest.class_names)
    if classes < MANY_CLASSES or (machine := executor.machine(material.core)).accelerators:
        return ""
    gradients, plain = (sum(counts) for counts in zip(*map(_prompts, runs), strict=True))
    lengths = (length for run in runs if (length := run.method.context_length(run.settings)))
    gradient_seconds, plain_seconds = _seconds_a_prompt(material, next(lengths, USUAL_LENGTH))
    seconds = (gradients * gradient_seconds + plain * plain_seconds) / min(machine.workers, len(runs))
    which = f"{len(runs)} runs and their tests" if len(runs) > 1 else "this run and its test"
    return (
        f"{classes:,} classes: every prompt takes {classes:,} texts through the text tower, {plain_seconds:.2g} s here "
        f"and {gradient_seconds:.2g} s in a training step. About {duration_text(seconds)} for {which}; fewer epochs, "
        f"val_every, val_images and test.draws shorten it"
    )


def _prompts(run: Run[Any]) -> tuple[int, int]:
    """Prompts of a run with a gradient and without, in its training, its validation and its tests."""
    method, settings, material, manifest = run.method, run.settings, run.material, run.material.manifest
    places = [run.spec.where] if method.by_domain else material.protocol.sources(manifest, run.spec.where)
    domains = {manifest.domain_index(place) for place in places}
    train, val = (len(manifest.select(domains, {split})) for split in ("train", "val"))
    judged = math.ceil(settings.epochs / settings.val_every) * (min(val, settings.val_images or val))
    tested = sum(
        len(material.on(test.target).manifest.images) / len(manifest.domains)
        for test in plan(material.core, manifest, [other.manifest for other in material.others.values()]).tests
        if test.run == run.spec
    )
    steps = settings.epochs * max(1, train // settings.batch_size)
    gradients = {"a step": steps, "an image": settings.epochs * train}.get(method.prompts_in_training, 0)
    test = material.core.test
    draws = test.draws if method.draws_noise and test.noise == "draw" else 1
    return gradients, round(judged + draws * tested) if method.prompt_for_each_image else 0


def _seconds_a_prompt(material: Material, n_ctx: int) -> tuple[float, float]:
    """Of a prompt with all classes: with a gradient, and without. A part of the classes is timed."""
    tower, names = material.tower, material.manifest.class_names
    classes = tokenize_classes(material.clip.tokenizer, names[:TIMED_CLASSES], n_ctx, tower.context_length)
    encoder = PromptEncoder(tower, classes, material.core.clip.text_precision)
    prompt_1PW = torch.zeros(1, n_ctx, tower.width, requires_grad=True)
    scale = len(names) / len(classes.names)

    def with_gradient() -> None:
        encoder(prompt_1PW).sum().backward()

    return scale * _seconds(with_gradient), scale * _seconds(lambda: encoder(prompt_1PW.detach()))


def _seconds(call: Callable[[], object]) -> float:
    """The faster of two, after one that lays out weights."""
    call()
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)
