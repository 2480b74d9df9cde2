"""What many classes will cost, said before it is paid: every prompt takes all of them through the text tower."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from spg_dist.clip.class_tokens import tokenize_classes
from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, RunSpec, test_runs
from spg_dist.methods.registry import TRAINED
from spg_dist.pipeline.executor import Executor
from spg_dist.progress.duration import duration_text

MANY_CLASSES = 200
"""From here on an epoch can take minutes, and with it the first word of how long all of them will."""
TIMED_CLASSES = 50


def forecast(experiment: Experiment, specs: Sequence[RunSpec], executor: Executor) -> str:
    """How long training and testing some runs will take, by a step that is timed; empty with fewer than MANY_CLASSES.

    Only a processor is timed: where the cluster has accelerators, the driver may have none.

    Arguments:
        experiment: on the driver's processor.
    """
    classes = len(experiment.manifest.class_names)
    specs = [spec for spec in specs if TRAINED[spec.method].prompts != "none" or TRAINED[spec.method].judged_by_image]
    if classes < MANY_CLASSES or not specs or (machine := executor.machine(experiment.config)).accelerators:
        return ""
    gradients, plain = (sum(counts) for counts in zip(*(_prompts(experiment, spec) for spec in specs), strict=True))
    gradient_seconds, plain_seconds = _seconds_a_prompt(experiment)
    seconds = (gradients * gradient_seconds + plain * plain_seconds) / min(machine.workers, len(specs))
    runs = f"{len(specs)} runs and their tests" if len(specs) > 1 else "this run and its test"
    return (
        f"{classes:,} classes: every prompt takes {classes:,} texts through the text tower, {plain_seconds:.2g} s here "
        f"and {gradient_seconds:.2g} s in a training step. About {duration_text(seconds)} for {runs}; fewer epochs, "
        f"val_every, val_images and test.draws shorten it"
    )


def _prompts(experiment: Experiment, spec: RunSpec) -> tuple[int, int]:
    """Prompts of a run with a gradient and without, in its training, its validation and its tests."""
    method, config, manifest = TRAINED[spec.method], experiment.config, experiment.manifest
    settings = getattr(config, method.section)
    places = [spec.where] if spec.method == PROMPT_LABEL else experiment.protocol.sources(manifest, spec.where)
    domains = {manifest.domain_index(place) for place in places}
    train, val = (len(manifest.select(domains, {split})) for split in ("train", "val"))
    judged = math.ceil(settings.epochs / settings.val_every) * (min(val, settings.val_images or val))
    tested = sum(
        len(experiment.on(test.target).manifest.images) / len(manifest.domains)
        for test in test_runs(config, manifest, [other.manifest for other in experiment.others.values()])
        if test.run == spec
    )
    steps = settings.epochs * max(1, train // settings.batch_size)
    gradients = {"a step": steps, "an image": settings.epochs * train}.get(method.prompts, 0)
    draws = config.test.draws if spec.method == "spg" and config.test.noise == "draw" else 1
    return gradients, round(judged + draws * tested) if method.judged_by_image else 0


def _seconds_a_prompt(experiment: Experiment) -> tuple[float, float]:
    """Of a prompt with all classes: with a gradient, and without. A part of the classes is timed."""
    tower, names = experiment.tower, experiment.manifest.class_names
    n_ctx = experiment.config.stage1.n_ctx
    classes = tokenize_classes(experiment.clip.tokenizer, names[:TIMED_CLASSES], n_ctx, tower.context_length)
    encoder = PromptEncoder(tower, classes, experiment.config.clip.text_precision)
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
