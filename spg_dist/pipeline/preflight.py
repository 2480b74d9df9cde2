"""What would fail late fails now: faults of the configuration that only show beside the data and the frozen CLIP."""

from __future__ import annotations

from collections.abc import Sequence

from spg_dist.clip.class_tokens import check_class_names, check_texts_fit, tokenize_classes
from spg_dist.clip.load import Clip
from spg_dist.config import Config
from spg_dist.data import Manifest
from spg_dist.encode.job import CachedViews
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import OWN_CLASSES_ONLY
from spg_dist.methods.prompt_label import source_labels
from spg_dist.methods.spg import check_generator
from spg_dist.methods.zero_shot import TEMPLATES
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.initial import initial_prompt


def check_before_encoding(config: Config, manifests: Sequence[Manifest], clip: Clip, folder: RunFolder) -> None:
    """Hold the configuration against the data and the model, before hours go into encoding.

    Arguments:
        manifests: of the data set that is trained on, then of those that are only tested on.

    Raises:
        ValueError: an initial text of another length than its prompt, published labels that are missing or do not fit,
            class names that are too long or that the tokenizer cannot tell apart, a domain that is not there, a
            generator that does not fit.
    """
    no_features = CachedViews("", config.cache.store, (), ())
    experiment = Experiment(config, manifests[0], clip, no_features, folder)
    _check_clipping(config, manifests[0])
    _check_initial_texts(experiment)
    lengths = _context_lengths(experiment)
    for manifest in manifests:
        if set(config.methods) - set(OWN_CLASSES_ONLY):
            check_class_names(clip.tokenizer, manifest.class_names)
        for template in {template for method in config.methods for template in TEMPLATES.get(method, ())}:
            check_texts_fit(clip.tokenizer, template, manifest.class_names)
        for n_ctx in sorted(lengths):
            tokenize_classes(clip.tokenizer, manifest.class_names, n_ctx, experiment.tower.context_length)


def _check_clipping(config: Config, manifest: Manifest) -> None:
    for name in config.stage2.clip_norms.off_for_targets:
        if "spg" in config.methods and name not in manifest.domains:
            raise ValueError(
                f"stage2.clip_norms.off_for_targets names {name!r}, but the domains of {manifest.dataset} are "
                f"{', '.join(manifest.domains)}: name some of these, or give stage2.clip_norms.off_for_targets=[]"
            )


def _check_initial_texts(experiment: Experiment) -> None:
    config = experiment.config
    prompts = {"coop": config.coop, "cocoop": config.cocoop}
    used: dict[str, SoftPromptConfig] = {name: prompt for name, prompt in prompts.items() if name in config.methods}
    if "spg" in config.methods and not config.prompt_labels:
        used["stage1"] = config.stage1
    for branch, prompt in used.items():
        try:
            initial_prompt(experiment.tower, experiment.clip.tokenizer, prompt.initial_text, prompt.n_ctx, seed=0)
        except ValueError as error:
            raise ValueError(f"{branch}: {error}") from error


def _context_lengths(experiment: Experiment) -> set[int]:
    """Context tokens of all prompts that will be learned or are imported."""
    config = experiment.config
    n_ctx_of = {
        "spg": config.stage1.n_ctx,
        "coop": config.coop.n_ctx,
        "cocoop": config.cocoop.n_ctx,
        "dpl": config.dpl.n_ctx,
    }
    lengths = {n_ctx for method, n_ctx in n_ctx_of.items() if method in config.methods}
    if config.prompt_labels and "spg" in config.methods:
        for where in experiment.protocol.trainings(config, experiment.manifest):
            labels_KPW, _ = source_labels(experiment, where, config.seeds[0])
            lengths.add(labels_KPW.shape[1])
            check_generator(experiment, labels_KPW.shape[1])
    elif "spg" in config.methods:
        check_generator(experiment, config.stage1.n_ctx)
    return lengths
