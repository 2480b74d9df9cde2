"""From a configuration to images, CLIP and cached features: the first half of every job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from spg_dist.clip.card import ClipCard, remember
from spg_dist.clip.load import Clip
from spg_dist.config import Config
from spg_dist.data import DataConfig, Manifest, load_manifest
from spg_dist.encode.job import EncodeJob, EncodeSummary
from spg_dist.encode.shard import loaded_clip
from spg_dist.experiment.builder import ExperimentBuilder
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.home import home
from spg_dist.methods import method_of
from spg_dist.pipeline.duplicates import require_images_left, say_duplicates
from spg_dist.pipeline.executor import Executor
from spg_dist.pipeline.forecast import forecast
from spg_dist.pipeline.preflight import check_before_encoding
from spg_dist.pipeline.warm_up import warm_up_remark
from spg_dist.plan import left_out_methods, plan
from spg_dist.progress import Display
from spg_dist.run import runs_of


def load_images(config: Config, display: Display) -> list[Manifest]:
    """The manifest of the data set that is trained on, then those that are only tested on. Raises ValueError."""
    if any(data.duplicates == "drop" for data in config.test_data):
        raise ValueError(
            "test_data: duplicates is drop, but nothing is ever dropped from a test: give data.duplicates=drop, which "
            "leaves the copies out of what is trained on"
        )
    manifests = [_load_manifest(data, display) for data in (config.data, *config.test_data)]
    names = [manifest.dataset for manifest in manifests]
    if len(set(names)) < len(names):
        raise ValueError(f"data sets have the names {', '.join(names)}: give each another data.name, results go by it")
    plan(config, manifests[0], manifests[1:])  # unknown domains are named now
    for method in left_out_methods(config):
        display.say(f"{method}: left out, for it knows only the classes it was trained on (protocol {config.protocol})")
    return manifests


def _load_manifest(data: DataConfig, display: Display) -> Manifest:
    manifest = load_manifest(data, home() / "splits")
    display.say(
        f"{manifest.dataset}: {len(manifest.images)} images, {len(manifest.domains)} domains "
        f"({', '.join(manifest.domains)}), {len(manifest.class_names)} classes in {manifest.root}"
    )
    for line in (f"splits: {manifest.splits_source}", *manifest.remarks):
        display.say(line)
    return manifest


def load_frozen_clip(config: Config, display: Display) -> Clip:
    """The configured CLIP, which the driver needs for the cache's key and the final pictures: on the CPU there."""
    torch.set_num_threads(config.execution.cpus_per_worker)
    clip = loaded_clip(config.clip, "cpu")
    remember(config.clip, clip)
    say_clip(config, clip, display)
    return clip


def say_clip(config: Config, clip: ClipCard, display: Display) -> None:
    """Which it is, and what must be known of it."""
    note = "  RANDOM WEIGHTS: figures mean nothing beyond this program's own test" if clip.random_weights else ""
    display.say(f"CLIP: {clip.name}, features of width {clip.feature_width}{note}")
    for remark in clip_remarks(config, clip.remark):
        display.say(f"warning: {remark}")


def clip_remarks(config: Config, of_weights: str) -> list[str]:
    """What the configured CLIP is not made for, and what is assumed about its weights (`Clip.remark`), for logs and
    reports."""
    return [remark for remark in (_out_of_place(config), of_weights) if remark]


def _out_of_place(config: Config) -> str:
    own_images = any(data.dataset != "drawn" for data in (config.data, *config.test_data))
    if config.clip.pretrained != "embedded" or not own_images:
        return ""
    return (
        "the embedded CLIP has seen nothing but drawings, so on other images its figures mean little: "
        "give a real one, e.g. clip.model=ViT-B-16 clip.pretrained=openai"
    )


def encode(
    config: Config, manifests: list[Manifest], clip: Clip, folder: RunFolder, executor: Executor, display: Display
) -> tuple[ExperimentBuilder, EncodeSummary]:
    """Bring all images into the cache; returns what workers build the experiment from."""
    check_before_encoding(config, manifests, clip, folder)
    cached, summary = [], EncodeSummary()
    for manifest in manifests:
        usable, views, done = encode_job(config, manifest, manifests[0], clip, executor, display).run()
        cached.append((usable, views))
        summary.add(done)
    display.say(summary.in_words())
    for path, reason in list(summary.set_aside.items())[:10]:
        display.say(f"set aside: {path}: {reason}")
    (trained_on, views), *tests = cached
    builder = ExperimentBuilder(config, trained_on, views, folder, tuple(tests))
    material = builder.build(device="cpu")
    say_duplicates(material, display)
    require_images_left(material)
    return builder, summary


def encode_job(
    config: Config, manifest: Manifest, trained_on: Manifest, clip: ClipCard, executor: Executor, display: Display
) -> EncodeJob:
    """The encoding of one data set."""
    return EncodeJob(
        manifest=manifest,
        clip=clip,
        clip_config=config.clip,
        # what is only tested on needs no augmented views
        config=config.encode if manifest is trained_on else replace(config.encode, views=0),
        cache=config.cache,
        max_set_aside_share=config.data.max_set_aside_share,
        run_tasks=executor.encode,
        display=display,
    )


def require_trained(builder: ExperimentBuilder, specs: Sequence[RunSpec]) -> None:
    """Raises ValueError naming the runs that are not trained with this configuration."""
    todo = [run.spec for run in runs_of(builder.config, builder.build(device="cpu"), specs) if not run.is_finished]
    if todo:
        names = ", ".join(spec.name for spec in todo[:5]) + (" ..." if len(todo) > 5 else "")
        raise ValueError(
            f"{len(todo)} of {len(specs)} runs in {builder.folder.root} are not trained with this configuration: "
            f"{names}. Run jobs/train.py (or jobs/full_pipeline.py) with the same arguments first"
        )


def train(builder: ExperimentBuilder, specs: Sequence[RunSpec], executor: Executor, display: Display) -> None:
    """Train the runs that are not finished yet. Raises TrainingDiverged naming the runs that diverged."""
    material = builder.build(device="cpu")
    builder.folder.require_same_images(builder.manifest.root, builder.content, material.clip.digest)
    builder.folder.write_classes(builder.manifest.class_names)
    unfinished = [run for run in runs_of(builder.config, material, specs) if not run.is_finished]
    todo = [run.spec for run in unfinished]
    display.say(f"{len(specs)} runs, {len(specs) - len(todo)} of them finished before")
    if cost := forecast(unfinished, executor):
        display.say(cost)
    for remark in {spec.method: warm_up_remark(builder.config, method_of(spec.method)) for spec in todo}.values():
        if remark:
            display.say(f"warning: {remark}. Train for more epochs, or set fewer warmup_epochs")
    if todo:
        executor.train(builder, todo, display)
    else:
        display.training(0, 0)
