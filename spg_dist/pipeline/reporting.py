"""From tested runs to what people read: results.csv, summary.md, report.html, the table in the log."""

from __future__ import annotations

import io
import statistics

import numpy as np
import torch

from spg_dist.config import Config, dump_config
from spg_dist.data import decode_rgb
from spg_dist.encode.job import EncodeSummary
from spg_dist.evaluation.results import ResultRow, write_results
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import PROMPT_LABEL, UNTRAINED, RunSpec, stage1_runs, stage2_runs
from spg_dist.methods.spg import generate_prompts, load_generator
from spg_dist.pipeline.testing import TestedRun, read_predictions
from spg_dist.progress import Display
from spg_dist.report import Curve, Projection, ReportInput, Sample, render_table, write_report, write_summary
from spg_dist.training import read_trained
from spg_dist.training.seeds import numpy_random

SELECTION_RULES = {
    "source-val": "source-val (best epoch on the training domains' validation split)",
    "last": "last epoch",
    "oracle": "ORACLE: best epoch on the target's own validation split, a ceiling and no result",
}
SAMPLES_PER_DOMAIN = 6  # one row of the report at desktop width
PROJECTED_PER_DOMAIN = 60
THUMBNAIL_PIXELS = 160


def report_run(
    experiment: Experiment, tested: list[TestedRun], summary: EncodeSummary, timings: dict[str, float], display: Display
) -> None:
    """Write all that a run's folder shows, and print its table."""
    folder = experiment.folder
    rows = [_row(experiment, run) for run in tested]
    write_results(folder.results, rows)
    contents = ReportInput(
        name=experiment.config.name,
        rows=rows,
        facts=_facts(experiment, summary, tested),
        curves=_curves(experiment),
        projections=_projections(experiment, tested),
        samples=_samples(experiment, tested),
        set_aside=sorted(summary.set_aside.items()),
        timings=timings,
        config_yaml=dump_config(experiment.config),
        selection=SELECTION_RULES[experiment.config.selection],
        random_weights=experiment.clip.random_weights,
        comparable=_is_the_papers_setting(experiment),
    )
    write_summary(folder.summary, contents)
    write_report(folder.report, contents)
    display.show(render_table(contents))
    for path in (folder.results, folder.summary, folder.report):
        display.say(f"{path.name}: {path}")


def _row(experiment: Experiment, run: TestedRun) -> ResultRow:
    manifest, spec = experiment.manifest, run.spec.run
    across = spec.protocol == "cross-dataset"
    sources = experiment.protocol.sources(manifest, spec.where)
    return ResultRow(
        dataset=manifest.dataset,
        protocol=spec.protocol,
        source=manifest.dataset if across else "+".join(sources),
        target=run.spec.target,
        method=_shown_method(experiment.config, spec.method),
        seed=spec.seed,
        backbone=experiment.config.clip.model + (" (random weights)" if experiment.clip.random_weights else ""),
        accuracy=run.accuracy,
        n=run.n,
        seconds=run.seconds + run.train_seconds,
        val_accuracy=run.val_accuracy,
        note=_note(experiment.config, spec.method),
        noise_std=run.noise_std,
    )


def _note(config: Config, method: str) -> str:
    """What sets a row apart from its neighbours in the same table."""
    notes = {
        "oracle: selected on the target's val split": config.selection == "oracle" and method not in UNTRAINED,
        "transductive: its prompt is a mean over the test images": method == "dpl",
    }
    return "; ".join(note for note, applies in notes.items() if applies)


def _shown_method(config: Config, method: str) -> str:
    """The paper's CoOp has 16 context tokens; a pooled prompt of another length goes by the name of its principle."""
    return "erm" if method == "coop" and config.coop.n_ctx != 16 else method


def _is_the_papers_setting(experiment: Experiment) -> bool:
    """OpenAI's weights, a whole published data set, and the paper's rule of model selection."""
    full = {"PACS": 9000, "VLCS": 10000, "OfficeHome": 15000, "TerraIncognita": 20000, "DomainNet": 15000}
    images = full.get(experiment.manifest.dataset)
    selected_alike = experiment.config.selection == "source-val"
    whole = images is not None and len(experiment.manifest.images) >= images
    return experiment.clip.openai_weights and selected_alike and whole


def _noise_in_words(experiment: Experiment, tested: list[TestedRun]) -> str:
    test = experiment.config.test
    if not any(run.spec.run.method == "spg" for run in tested):
        return "none: no method of this run draws any"
    if test.noise == "zero":
        return "z = 0"
    if test.average:
        return f"class probabilities averaged over {test.draws} draws per test image"
    spreads = [run.noise_std for run in tested if run.noise_std is not None]
    if not spreads:
        return f"{test.draws} draw{'s' if test.draws > 1 else ''} per test image"
    spread = (
        f"standard deviation over draws {min(spreads):.2f} to {max(spreads):.2f}, mean {statistics.fmean(spreads):.2f}"
    )
    return f"mean accuracy over {test.draws} draws per test image; {spread} points"


def _facts(experiment: Experiment, summary: EncodeSummary, tested: list[TestedRun]) -> dict[str, str]:
    config, manifest = experiment.config, experiment.manifest
    views = f"{config.encode.views} augmented views" if config.encode.views else "plain view only"
    labels = f"imported from {config.prompt_labels}" if config.prompt_labels else "trained (stage 1)"
    return {
        "weights": experiment.clip.name,
        "views": views,
        "noise": _noise_in_words(experiment, tested),
        "Prompt labels": labels,
        "Images": f"{len(manifest.images):,}",
        "Encoded in this job": f"{summary.encoded} features, {summary.reused} reused from the cache",
        "Splits": manifest.splits_source.replace(f"{manifest.root}/", ""),
    }


def _curves(experiment: Experiment) -> list[Curve]:
    config, manifest = experiment.config, experiment.manifest
    names = {PROMPT_LABEL: "stage1", "spg": "stage2"}
    curves = []
    for spec in stage1_runs(config, manifest) + stage2_runs(config, manifest):
        history = read_trained(experiment.folder.artifact(spec)).history
        series = {name: [epoch[name] for epoch in history] for name in history[0] if name != "learning_rate"}
        shown = names.get(spec.method) or _shown_method(config, spec.method)
        curves.append(Curve(shown, spec.where, spec.seed or 0, series))
    return curves


def _projections(experiment: Experiment, tested: list[TestedRun]) -> list[Projection]:
    """The first seed's generated prompts of every target's generator, on their two principal components."""
    first = experiment.config.seeds[0]
    specs = dict.fromkeys(run.spec.run for run in tested if run.spec.run.method == "spg" and run.spec.run.seed == first)
    return [_project(experiment, spec) for spec in specs]


def _project(experiment: Experiment, spec: RunSpec) -> Projection:
    manifest = experiment.manifest
    random = numpy_random(0, "projection")
    picked = []
    for k in range(len(manifest.domains)):
        rows = experiment.table.rows({k}, {"val"}, keep_left_out=False)
        picked.append(random.permutation(rows)[:PROJECTED_PER_DOMAIN])
    rows = np.concatenate(picked)
    prompts = generate_prompts(experiment, load_generator(experiment, spec), spec, rows).flatten(1)
    centred = prompts - prompts.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    shares = sizes.square() / sizes.square().sum().clamp(min=1e-12)
    points = (centred @ axes[:2].T).tolist()
    return Projection(
        title=f"prompts generated, {spec.where} {'unseen' if spec.protocol == 'multi-source' else 'trained on'}",
        points_N2=[(x, y) for x, y in points],
        domain_N=[manifest.domains[manifest.images[i].domain] for i in rows],
        target=spec.where,
        explained=(float(shares[0]), float(shares[1])),
    )


def _samples(experiment: Experiment, tested: list[TestedRun]) -> list[Sample]:
    """Some test images of every target with what each method's first seed says."""
    first = experiment.config.seeds[0]
    samples = []
    for target in dict.fromkeys(run.spec.target for run in tested):
        shown = [run.spec for run in tested if run.spec.target == target and run.spec.run.seed in (None, first)]
        predictions = {
            _shown_method(experiment.config, spec.run.method): read_predictions(experiment.folder.predictions(spec))
            for spec in shown
        }
        images = sorted(next(iter(predictions.values())))
        for i in numpy_random(0, "samples", target).permutation(len(images))[:SAMPLES_PER_DOMAIN]:
            image = images[i]
            said = {method: found[image][1] for method, found in predictions.items()}
            truth = next(iter(predictions.values()))[image][0]
            samples.append(Sample(target, truth, said, _thumbnail(experiment.on(target), image)))
    return samples


def _thumbnail(experiment: Experiment, image: str) -> bytes:
    picture = decode_rgb(experiment.manifest.root / image)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=82)
    return stream.getvalue()
