"""The final test of one run on its target domain, and its predictions on disk."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from spg_dist.evaluation.accuracy import percent_correct, predict_from_prompts, predict_from_text
from spg_dist.experiment.experiment import Experiment
from spg_dist.experiment.runs import RunSpec
from spg_dist.methods.spg import generate_prompts, load_generator
from spg_dist.methods.zero_shot import TEMPLATES, template_texts
from spg_dist.training import read_trained


@dataclass(frozen=True)
class TestedRun:
    """Accuracy (percent) over n images; `val_accuracy` of the selected epoch, None where nothing is trained."""

    spec: RunSpec
    accuracy: float
    n: int
    seconds: float
    val_accuracy: float | None
    train_seconds: float


def test_run(experiment: Experiment, spec: RunSpec) -> TestedRun:
    """Predict the class of every image of the target domain and write the predictions to the run's folder."""
    began = time.perf_counter()
    rows = experiment.test_rows(spec.where)
    predicted = _predict(experiment, spec)
    truth = experiment.table.label_N[torch.from_numpy(rows)]
    seconds = time.perf_counter() - began
    trained = None if spec.method in TEMPLATES else read_trained(experiment.folder.artifact(spec))
    _write_predictions(experiment, spec, [int(i) for i in rows], predicted)
    return TestedRun(
        spec=spec,
        accuracy=percent_correct(predicted, truth),
        n=len(rows),
        seconds=seconds,
        val_accuracy=trained.val_accuracy if trained else None,
        train_seconds=trained.seconds if trained else 0.0,
    )


def _predict(experiment: Experiment, spec: RunSpec) -> Tensor:
    rows = experiment.test_rows(spec.where)
    x_BD = experiment.table.features(rows)
    if spec.method in TEMPLATES:
        return predict_from_text(template_texts(experiment, spec.method), x_BD)
    if spec.method == "coop":
        prompt = read_trained(experiment.folder.artifact(spec)).weights["prompt"]
        with torch.no_grad():
            return predict_from_text(experiment.prompt_texts(prompt), x_BD)
    prompts = generate_prompts(experiment, load_generator(experiment, spec), spec, rows)
    return predict_from_prompts(prompts, experiment.encoder(prompts.shape[1]), x_BD)


def _write_predictions(experiment: Experiment, spec: RunSpec, rows: list[int], predicted: Tensor) -> None:
    names = experiment.manifest.class_names
    images = [experiment.manifest.images[i] for i in rows]
    table = pa.table(
        {
            "image": [image.path for image in images],
            "truth": [names[image.label] for image in images],
            "predicted": [names[int(k)] for k in predicted],
        },
        metadata={"spg-dist": json.dumps({"method": spec.method, "target": spec.where, "seed": spec.seed})},
    )
    path = experiment.folder.predictions(spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    pq.write_table(table, temporary)
    temporary.replace(path)


def read_predictions(path: Path) -> dict[str, tuple[str, str]]:
    """Image path to (true class, predicted class)."""
    table = pq.read_table(path)
    columns = (table.column(name).to_pylist() for name in ("image", "truth", "predicted"))
    return {image: (truth, predicted) for image, truth, predicted in zip(*columns, strict=True)}
