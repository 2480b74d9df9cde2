"""What a run's report draws: training curves, generated prompts in two dimensions, test images with predictions."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from spg_dist.config import Config
from spg_dist.data import decode_rgb
from spg_dist.experiment.runs import EvaluationSpec
from spg_dist.file_names import from_text
from spg_dist.material import Material
from spg_dist.methods import method_of
from spg_dist.pipeline.testing import EvaluatedRun, read_predictions
from spg_dist.plan import plan
from spg_dist.report import Curve, Projection, Sample
from spg_dist.run import Run, runs_of
from spg_dist.training.loop import Metrics, read_trained
from spg_dist.training.seeds import numpy_random

SAMPLES_PER_DOMAIN = 6  # one row of the report at desktop width
PROJECTED_PER_DOMAIN = 60
THUMBNAIL_PIXELS = 160


def curves_of_run(material: Material) -> list[Curve]:
    """The history of every trained run."""
    config, manifest = material.core, material.manifest
    curves = []
    for spec in plan(config, manifest, [other.manifest for other in material.others.values()]).trainings:
        history = read_trained(material.folder.artifact(spec)).history
        series = _series(history)
        run_means = "Trained on" if method_of(spec.method).by_domain else material.protocol.run_means
        curves.append(Curve(spec.method, spec.where, spec.seed or 0, series, run_means))
    return curves


def _series(history: list[Metrics]) -> dict[str, list[float]]:
    """Values by epoch; where an epoch was not judged (`val_every`), the last accuracy stands."""
    series: dict[str, list[float]] = {}
    for name in dict.fromkeys(name for epoch in history for name in epoch if name != "learning_rate"):
        latest = math.nan
        series[name] = [latest := epoch.get(name, latest) for epoch in history]
    return series


def projections_of_run(config: Config, material: Material, tested: list[EvaluatedRun]) -> list[Projection]:
    """The first seed's generated prompts of every generator, on their two principal components."""
    first = config.seeds[0]
    specs = dict.fromkeys(run.spec.run for run in tested if run.spec.run.seed == first)
    runs = [run for run in runs_of(config, material, list(specs)) if run.method.generates_prompts]
    return [_project(run) for run in runs]


def _project(run: Run[Any]) -> Projection:
    material, spec = run.material, run.spec
    prompts, domain_N = [], []
    for place in (material, *material.others.values()):
        rows = _projected_rows(place, by_domain=place is material)
        prompts.append(run.method.prompts(replace(run, material=place), place.images(rows)).flatten(1))
        manifest = place.manifest
        names = manifest.domains if place is material else [manifest.dataset] * len(manifest.domains)
        domain_N += [names[manifest.images[i].domain] for i in rows]
    stacked = torch.cat(prompts)
    centred = stacked - stacked.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    shares = sizes.square() / sizes.square().sum().clamp(min=1e-12)
    points = (centred @ axes[:2].T).tolist()
    seen = {material.manifest.domains[k] for k in material.sources(spec.where)}
    return Projection(
        title=f"{material.protocol.run_means}: {spec.where}",
        points_N2=[(x, y) for x, y in points],
        domain_N=domain_N,
        unseen=tuple(domain for domain in dict.fromkeys(domain_N) if domain not in seen),
        explained=(float(shares[0]), float(shares[1])),
    )


def _projected_rows(place: Material, by_domain: bool) -> np.ndarray:
    """Some val images of each domain, or as many of the whole data set."""
    random = numpy_random(0, "projection")
    domains = set(range(len(place.manifest.domains)))
    groups = [{k} for k in sorted(domains)] if by_domain else [domains]
    rows = [place.manifest.rows(group, {"val"}, keep_left_out=False) for group in groups]
    return np.concatenate([random.permutation(found)[:PROJECTED_PER_DOMAIN] for found in rows])


def samples_of_run(material: Material, tested: list[EvaluatedRun]) -> list[Sample]:
    """Some test images of every target with what each method's first seed says, trained on the first of the sources."""
    samples = []
    for target in dict.fromkeys(run.spec.target for run in tested):
        shown = shown_tests([run.spec for run in tested if run.spec.target == target], material.core.seeds[0])
        predictions = {spec.run.method: read_predictions(material.folder.predictions(spec)) for spec in shown}
        trained_on = shown[0].run.where if material.protocol.has_one_source else ""
        images = sorted(next(iter(predictions.values())))
        for i in numpy_random(0, "samples", target).permutation(len(images))[:SAMPLES_PER_DOMAIN]:
            image = images[i]
            said = {method: found[image][1] for method, found in predictions.items()}
            truth = next(iter(predictions.values()))[image][0]
            picture = _thumbnail(material.on(target), image)
            samples.append(Sample(target, truth, said, picture, trained_on))
    return samples


def shown_tests(tests: list[EvaluationSpec], seed: int) -> list[EvaluationSpec]:
    """Of one target's tests one of each method: that of the seed, and where there are several sources of the first."""
    return [test for test in tests if test.run.seed in (None, seed) and test.run.where == tests[0].run.where]


def _thumbnail(material: Material, image: str) -> bytes:
    picture = decode_rgb(material.manifest.root / from_text(image), material.core.encode.pixels)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=82)
    return stream.getvalue()
