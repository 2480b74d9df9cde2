"""What a run's report says about it in words: its settings, what must be known before its figures, what it left out."""

from __future__ import annotations

import statistics

from spg_dist.config import Config
from spg_dist.encode.job import EncodeSummary
from spg_dist.evaluation.results import UNLIKE_THE_PAPER
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import left_out_methods, methods_of
from spg_dist.home import home
from spg_dist.pipeline.duplicates import duplicate_warnings, duplicates_in_words
from spg_dist.pipeline.prepare import clip_remarks
from spg_dist.pipeline.testing import TestedRun
from spg_dist.progress.costs import Costs, PhaseCost
from spg_dist.progress.display import FEATURES
from spg_dist.progress.duration import duration_text
from spg_dist.report import method_label, published_context_tokens

SELECTION_RULES = {
    "source-val": "source-val (best epoch on the training domains' validation split)",
    "last": "last epoch",
    "oracle": "ORACLE: best epoch on the target's own validation split, a ceiling and no result",
}


def warnings_of_run(experiment: Experiment) -> list[str]:
    """What must be read before the figures; random weights are warned of by the report itself."""
    remarks = clip_remarks(experiment.config, experiment.clip.remark)
    warnings = [f"{remark[0].upper()}{remark[1:]}." for remark in remarks]
    if experiment.config.selection == "oracle":
        warnings.append("Selected on the target's own validation split: a ceiling, and no result to compare.")
    return [*warnings, *duplicate_warnings(experiment)]


def remarks_of_run(config: Config, costs: Costs) -> list[str]:
    """Sentences under the results."""
    left_out = [
        f"{method_label(method)} is left out: it knows only the classes it was trained on (protocol {config.protocol})."
        for method in left_out_methods(config)
    ]
    if "spg" not in methods_of(config):
        return left_out
    training = [cost for phase in ("tune", "stage 2") if (cost := costs.of(phase))]
    machines = dict.fromkeys(machine for cost in training for machine in cost.machines)
    where = f"by {'; by '.join(machines)}" if machines else "on a processor that was not recorded"
    return [
        *left_out,
        f"SPG was trained {where}. Stage 2 is chaotic in fp32: on another processor, or with other threads, SPG's "
        "figures are others, as with other seeds.",
    ]


def run_facts(
    experiment: Experiment, summary: EncodeSummary, encoding: PhaseCost | None, tested: list[TestedRun]
) -> dict[str, str]:
    """Label → text for the report's head."""
    config = experiment.config
    duplicates = duplicates_in_words(experiment)
    return {
        "weights": experiment.clip.name,
        "views": f"{config.encode.views} augmented views" if config.encode.views else "plain view only",
        "noise": _noise_in_words(config, tested),
        "Prompt labels": f"imported from {config.prompt_labels}" if config.prompt_labels else "trained (stage 1)",
        "Images": _images_in_words(experiment),
        "Encoded": _encoded_in_words(summary, encoding),
        "Splits": _splits_in_words(experiment),
        **({"Duplicates": duplicates} if duplicates else {}),
    }


def unlike_the_paper(config: Config, method: str) -> str:
    """How a method differs from the paper's of that name, whose figures are then no measure for it; mostly empty."""
    lengths = {"coop": config.coop.n_ctx, "cocoop": config.cocoop.n_ctx, "dpl": config.dpl.n_ctx}
    if not config.prompt_labels:  # published ones are the paper's
        lengths["spg"] = config.stage1.n_ctx
    tokens, printed = lengths.get(method), published_context_tokens(method)
    if tokens is None or tokens == printed:
        return ""
    plural = "" if tokens == 1 else "s"
    return f"{tokens} context token{plural} ({UNLIKE_THE_PAPER} {method_label(method)} with {printed})"


def is_the_papers_setting(experiment: Experiment) -> bool:
    """OpenAI's weights, a whole published data set, and the paper's rule of model selection."""
    full = {"PACS": 9000, "VLCS": 10000, "OfficeHome": 15000, "TerraIncognita": 20000, "DomainNet": 15000}
    images = full.get(experiment.manifest.dataset)
    selected_alike = experiment.config.selection == "source-val"
    whole = images is not None and len(experiment.manifest.images) >= images
    copies_left_out = experiment.config.data.duplicates == "drop" and bool(experiment.duplicates.groups)
    return experiment.clip.openai_weights and selected_alike and whole and not copies_left_out


def _encoded_in_words(summary: EncodeSummary, encoding: PhaseCost | None) -> str:
    """This job's share, and what the features of this run have cost it in all."""
    said = f"{summary.encoded:,} features in this job, {summary.reused:,} reused from the cache"
    if encoding is None:
        return said
    encoded = encoding.work.get(FEATURES, 0)
    if not encoded:
        return f"{said}; none in any job of this run"
    return f"{said}; in all jobs of this run {encoded:,}, {duration_text(encoding.seconds)}"


def _images_in_words(experiment: Experiment) -> str:
    own = f"{len(experiment.manifest.images):,}"
    if not experiment.others:
        return own
    tests = ", ".join(f"{len(other.manifest.images):,} of {name}" for name, other in experiment.others.items())
    return f"{own} of {experiment.manifest.dataset} to train on; tested on {tests}"


def _splits_in_words(experiment: Experiment) -> str:
    """Paths relative to the data set's folder, or to the home of the run's outputs."""
    said = experiment.manifest.splits_source
    for folder in (experiment.manifest.root, home()):
        said = said.replace(f"{folder}/", "")
    return said


def _noise_in_words(config: Config, tested: list[TestedRun]) -> str:
    test = config.test
    if not any(run.spec.run.method == "spg" for run in tested):
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
