"""The final test of one run on one target, and its predictions on disk."""

from __future__ import annotations

import json
import operator
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cache.durable import written_whole
from spg_dist.evaluation.prediction import Predicted, classify
from spg_dist.experiment.runs import EvaluationSpec
from spg_dist.material import Material
from spg_dist.run import Run
from spg_dist.training.loop import read_trained


@dataclass(frozen=True)
class EvaluatedRun:
    """The final test of one run on one target.

    Arguments:
        accuracy: percent, mean over the draws of the noise.
        noise_std: standard deviation over those draws, None where there is one.
        n: images tested.
        val_accuracy: percent, of the selected epoch; None where nothing is trained.
        trained_on: processor and threads of each sitting of the training; empty where nothing is trained.
    """

    spec: EvaluationSpec
    accuracy: float
    noise_std: float | None
    n: int
    seconds: float
    val_accuracy: float | None
    train_seconds: float
    trained_on: str


def test_run(run: Run[Any], target: str) -> EvaluatedRun:
    """Predict the class of every image of the target, and write the predictions to the run's folder."""
    began = time.perf_counter()
    spec, place = EvaluationSpec(run.spec, target), run.material.on(target)
    rows = place.test_rows(spec.target)
    predicted = classify(run.method.predictor(replace(run, material=place)), place.images(rows))
    truth = [place.manifest.images[i].label for i in rows]
    accuracies = _accuracies(predicted, truth, place.core.test.average)
    seconds = time.perf_counter() - began
    trained = read_trained(place.folder.artifact(run.spec)) if run.method.trains else None
    _write_predictions(place, spec, [int(i) for i in rows], predicted)
    return EvaluatedRun(
        spec=spec,
        accuracy=statistics.fmean(accuracies),
        noise_std=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        n=len(rows),
        seconds=seconds,
        val_accuracy=trained.val_accuracy if trained else None,
        train_seconds=trained.seconds if trained else 0.0,
        trained_on=", then ".join(str(sitting) for sitting in trained.provenance) if trained else "",
    )


def _accuracies(predicted: Sequence[Predicted], truth: Sequence[int], average: bool) -> list[float]:
    """Percent, of each draw, or of the mean over the draws."""
    by_draw_KB = zip(*(one.by_draw for one in predicted), strict=True)
    said_KB = [[one.class_index for one in predicted]] if average else by_draw_KB
    return [100 * sum(map(operator.eq, said_B, truth)) / len(truth) for said_B in said_KB]


def _write_predictions(
    material: Material, spec: EvaluationSpec, rows: Sequence[int], predicted: Sequence[Predicted]
) -> None:
    names = material.manifest.class_names
    images = [material.manifest.images[i] for i in rows]
    table = pa.table(
        {
            "image": [image.path for image in images],
            "truth": [names[image.label] for image in images],
            "predicted": [names[one.class_index] for one in predicted],
            "probability": [one.probability for one in predicted],
            "spread": pa.array([one.spread for one in predicted], pa.float64()),
            "by_draw": [[names[k] for k in one.by_draw] for one in predicted],
        },
        metadata={"spg-dist": json.dumps(asdict(spec))},
    )
    with written_whole(material.folder.predictions(spec)) as temporary:
        pq.write_table(table, temporary)


def read_predictions(path: Path) -> dict[str, tuple[str, str]]:
    """Image path to (true class, predicted class)."""
    table = pq.read_table(path)
    columns = (table.column(name).to_pylist() for name in ("image", "truth", "predicted"))
    return {image: (truth, predicted) for image, truth, predicted in zip(*columns, strict=True)}
