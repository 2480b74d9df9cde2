"""A small finished experiment, as the pipeline would hand it to the report."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from spg_dist.evaluation.results import ResultRow
from spg_dist.progress import Costs, PhaseCost
from spg_dist.report import Curve, Projection, ReportInput, Sample

DOMAINS = ("art_painting", "cartoon", "photo", "sketch")


def result(method: str, target: str, seed: int | None, accuracy: float, *, source: str = "rest") -> ResultRow:
    return ResultRow(
        dataset="PACS",
        protocol="multi-source",
        source=source,
        target=target,
        method=method,
        seed=seed,
        backbone="ViT-B-16",
        accuracy=accuracy,
        n=2048,
        seconds=2.0,
        val_accuracy=None,
        note="",
    )


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def finished() -> ReportInput:
    """Four targets, zero-shot at 90 % everywhere, SPG at 92, 93 and 94 % by seed; every section has content."""
    rows = [result("zero-shot", domain, None, 90.0) for domain in DOMAINS]
    rows += [result("spg", domain, seed, 91.0 + seed) for domain in DOMAINS for seed in (1, 2, 3)]
    curves = [
        Curve("prompt-label", domain, seed, {"loss": [1.0, math.nan, 0.3], "val_accuracy": [60.0, 80.0, 90.0 + seed]})
        for domain in DOMAINS
        for seed in (1, 2)
    ]
    curves += [
        Curve(
            "spg",
            domain,
            1,
            {"g_loss": [1.0, 0.5], "d_loss": [2.0, 0.1], "val_accuracy": [70.0, 95.0]},
            "Target left out",
        )
        for domain in DOMAINS
    ]
    points = [(float(index), float(index % 3)) for index in range(8)]
    return ReportInput(
        name="example",
        rows=rows,
        facts={"Weights": "openai", "views": "8 augmented + plain", "Noise": "one draw", "Machine": "2 cores"},
        curves=curves,
        projections=[Projection("Prompts, sketch unseen", points, [*DOMAINS, *DOMAINS], ("sketch",), (0.5, 0.25))],
        samples=[Sample("sketch", "dog", {"spg": "dog", "zero-shot": "horse"}, jpeg())],
        set_aside=[("photo/dog/1.jpg", "truncated file")],
        costs=Costs((PhaseCost("encode", 754.0), PhaseCost("stage 1", 3.0))),
        config_yaml="data:\n  root: /data\n",
        selection="source-val",
        random_weights=False,
        comparable=True,
    )
