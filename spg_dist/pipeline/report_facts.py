"""What a run's report says about it in words: its settings, what must be known before its figures, what it left out."""

from __future__ import annotations

import statistics
from typing import Any

from spg_dist.config import Config
from spg_dist.data.datasets import DATASETS
from spg_dist.encode.job import EncodeSummary
from spg_dist.evaluation.results import UNLIKE_THE_PAPER
from spg_dist.home import home
from spg_dist.material import Material
from spg_dist.methods import Method, method_of, settings_of
from spg_dist.pipeline.duplicates import duplicate_warnings, duplicates_in_words
from spg_dist.pipeline.prepare import clip_remarks
from spg_dist.pipeline.testing import EvaluatedRun
from spg_dist.plan import left_out_methods, methods_of
from spg_dist.progress.costs import Costs, PhaseCost
from spg_dist.progress.display import FEATURES
from spg_dist.progress.duration import duration_text
from spg_dist.report import method_label, published_context_tokens

SELECTION_RULES = {
    "source-val": "source-val (best epoch on the training domains' validation split)",
    "last": "last epoch",
    "oracle": "ORACLE: best epoch on the target's own validation split, a ceiling and no result",
}


def warnings_of_run(material: Material) -> list[str]:
    """What must be read before the figures; random weights are warned of by the report itself."""
    remarks = clip_remarks(material.core, material.clip.remark)
    warnings = [f"{remark[0].upper()}{remark[1:]}." for remark in remarks]
    if material.core.selection == "oracle":
        warnings.append("Selected on the target's own validation split: a ceiling, and no result to compare.")
    return [*warnings, *duplicate_warnings(material)]


def remarks_of_run(config: Config, costs: Costs) -> list[str]:
    """Sentences under the results."""
    left_out = [
        f"{method_label(method)} is left out: it knows only the classes it was trained on (protocol {config.protocol})."
        for method in left_out_methods(config)
    ]
    chaotic = [method.label for method in methods_of(config) if method.chaotic]
    if not chaotic:
        return left_out
    training = [cost for phase in ("tune", "stage 2") if (cost := costs.of(phase))]
    machines = dict.fromkeys(machine for cost in training for machine in cost.machines)
    where = f"by {'; by '.join(machines)}" if machines else "on a processor that was not recorded"
    return [
        *left_out,
        *(
            f"{label} was trained {where}. Stage 2 is chaotic in fp32: on another processor, or with other threads, "
            f"{label}'s figures are others, as with other seeds."
            for label in chaotic
        ),
    ]


def run_facts(
    material: Material, summary: EncodeSummary, encoding: PhaseCost | None, tested: list[EvaluatedRun]
) -> dict[str, str]:
    """Label → text for the report's head."""
    config = material.core
    duplicates = duplicates_in_words(material)
    labels = f"imported from {config.prompt_labels}" if config.prompt_labels else "trained (stage 1)"
    return {
        "weights": material.clip.name,
        "views": f"{config.encode.views} augmented views" if config.encode.views else "plain view only",
        "noise": _noise_in_words(config, tested),
        **({"Prompt labels": labels} if any(method.needed for method in methods_of(config)) else {}),
        "Images": _images_in_words(material),
        "Encoded": _encoded_in_words(summary, encoding),
        "Splits": _splits_in_words(material),
        **({"Duplicates": duplicates} if duplicates else {}),
    }


def unlike_the_paper(config: Config, method: Method[Any]) -> str:
    """How a method differs from the paper's of that name, whose figures are then no measure for it; mostly empty."""
    lengths = (one.context_length(settings_of(config, one)) for one in (method, *method.needs(config)))
    tokens, printed = next(filter(None, lengths), None), published_context_tokens(method.name)
    if tokens is None or tokens == printed:
        return ""
    plural = "" if tokens == 1 else "s"
    return f"{tokens} context token{plural} ({UNLIKE_THE_PAPER} {method.label} with {printed})"


def is_the_papers_setting(material: Material) -> bool:
    """OpenAI's weights, a whole published data set, and the paper's rule of model selection."""
    needed = {dataset.title: dataset.images_of_paper for dataset in DATASETS}.get(material.manifest.dataset, 0)
    selected_alike = material.core.selection == "source-val"
    whole = 0 < needed <= len(material.manifest.images)
    copies_left_out = material.core.data.duplicates == "drop" and bool(material.duplicates.groups)
    return material.clip.openai_weights and selected_alike and whole and not copies_left_out


def _encoded_in_words(summary: EncodeSummary, encoding: PhaseCost | None) -> str:
    """This job's share, and what the features of this run have cost it in all."""
    said = f"{summary.encoded:,} features in this job, {summary.reused:,} reused from the cache"
    if encoding is None:
        return said
    encoded = encoding.work.get(FEATURES, 0)
    if not encoded:
        return f"{said}; none in any job of this run"
    return f"{said}; in all jobs of this run {encoded:,}, {duration_text(encoding.seconds)}"


def _images_in_words(material: Material) -> str:
    own = f"{len(material.manifest.images):,}"
    if not material.others:
        return own
    tests = ", ".join(f"{len(other.manifest.images):,} of {name}" for name, other in material.others.items())
    return f"{own} of {material.manifest.dataset} to train on; tested on {tests}"


def _splits_in_words(material: Material) -> str:
    """Paths relative to the data set's folder, or to the home of the run's outputs."""
    said = material.manifest.splits_source
    for folder in (material.manifest.root, home()):
        said = said.replace(f"{folder}/", "")
    return said


def _noise_in_words(config: Config, tested: list[EvaluatedRun]) -> str:
    test = config.test
    if not any(method_of(run.spec.run.method).draws_noise for run in tested):
        return "none: no method of this run draws any"
    if test.noise == "zero":
        return "z = 0"
    if test.average:
        return f"class probabilities averaged over {test.draws} draws per test image"
    spreads = [run.noise_std for run in tested if run.noise_std is not None]
    if not spreads:
        return "1 draw per test image" if test.draws == 1 else "none: the generator takes no noise"
    low, high = f"{min(spreads):.2f}", f"{max(spreads):.2f}"
    said = low if low == high else f"{low} to {high}, mean {statistics.fmean(spreads):.2f}"
    return f"mean accuracy over {test.draws} draws per test image; standard deviation over draws {said} points"
