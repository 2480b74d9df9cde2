"""What would fail late fails now: faults of the configuration that only show next to the data and the frozen CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spg_dist.clip.class_tokens import check_class_names, check_texts_fit
from spg_dist.clip.load import Clip
from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews
from spg_dist.experiment.folder import RunFolder
from spg_dist.material import Material
from spg_dist.methods import METHODS, Method, check_settings, settings_of
from spg_dist.plan import methods_of


def check_before_encoding(config: Config, manifests: Sequence[Manifest], clip: Clip, folder: RunFolder) -> None:
    """Hold the configuration against the data and the model, before hours go into encoding.

    Arguments:
        manifests: of the data set that is trained on, then of those that are only tested on.

    Raises:
        ValueError: what a method refuses, class names that are too long or that the tokenizer cannot tell apart.
    """
    others = [_material(config, manifest, clip, folder) for manifest in manifests[1:]]
    material = _material(config, manifests[0], clip, folder, others)
    used = _used(config)
    for method in used:
        check_settings(config, material, method)
    lengths = {length for method in used if (length := method.context_length(settings_of(config, method)))}
    for place in (material, *others):
        names = place.manifest.class_names
        if any(METHODS[name].reads_class_names for name in config.methods):
            check_class_names(clip.tokenizer, names)
        for template in {template for method in used for template in method.templates}:
            check_texts_fit(clip.tokenizer, template, names)
        for n_ctx in sorted(lengths):
            place.encoder(n_ctx)


def _material(
    config: Config, manifest: Manifest, clip: Clip, folder: RunFolder, others: Sequence[Material] = ()
) -> Material:
    """Without features."""
    return Material(config.core(), manifest, clip, CachedViews("", config.cache.store, (), ()), folder, others)


def _used(config: Config) -> list[Method[Any]]:
    """The methods of this configuration, each after those that it needs."""
    methods = methods_of(config)
    return list(dict.fromkeys(one for method in methods for one in (*method.needs(config), method)))
