"""A run's files say what it cost in all: what the first job took stands there after a rerun that computes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from experiment_material import Interrupted, StopsAt, arguments, run

from spg_dist.evaluation.results import read_results
from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.processor import processor
from spg_dist.training.files import read_tensors
from spg_dist.training.loop import read_trained

GIVEN = ("targets=[photo]", "methods=[coop,spg]")
TRAINED = {"stage 1": 2 * 3 + 2, "stage 2": 3}  # two labels and CoOp's prompt; one generator


def epochs(folder: RunFolder) -> dict[str, tuple[int, int]]:
    """Epochs trained and jobs that trained, of both stages, as the summary has them."""
    found = re.findall(r"^- (stage \d): .*\((\d+) epochs trained, in (\d+) jobs?\)$", folder.summary.read_text(), re.M)
    return {phase: (int(trained), int(jobs)) for phase, trained, jobs in found}


def test_a_rerun_that_trains_nothing_leaves_what_training_took(images: Path, home: Path) -> None:
    given = arguments(images, home, "name=costs-twice", *GIVEN)
    folder = run(given)
    once = {phase: (count, 1) for phase, count in TRAINED.items()}
    assert epochs(folder) == once
    rows = {row.key: row.seconds for row in read_results(folder.results)}
    run(given)
    assert epochs(folder) == once
    for text in (folder.summary.read_text(), folder.report.read_text()):
        assert "Time by phase, in all jobs of this run" in text
        assert f"SPG was trained by 1 worker of 1 thread on {processor()}. Stage 2 is chaotic in fp32" in text
    assert re.search(r"- prepare: .*\(in 2 jobs\)", folder.summary.read_text())
    assert re.search(r"- test: .*\(4 tests made, in 2 jobs\)", folder.summary.read_text())
    for row in read_results(folder.results):
        trained = read_trained(folder.artifact(RunSpec(row.method, "photo", 1))).seconds
        assert row.seconds >= trained > 0 and rows[row.key] >= trained, "training is part of both"


def test_an_interrupted_training_is_counted_once_and_in_both_jobs(images: Path, home: Path) -> None:
    given = arguments(images, home, "name=costs-interrupted", *GIVEN)
    with pytest.raises(Interrupted):
        run(given, StopsAt("spg", epochs=2))
    folder = RunFolder(home / "runs" / "costs-interrupted")
    spec = RunSpec("spg", "photo", 1)
    before = read_tensors(folder.checkpoint(spec))[1]["seconds"]
    run(given)
    assert epochs(folder) == {"stage 1": (TRAINED["stage 1"], 1), "stage 2": (TRAINED["stage 2"], 2)}
    assert read_trained(folder.artifact(spec)).seconds > before > 0


def test_features_that_an_earlier_job_encoded_are_counted_as_this_runs_cost(
    images: Path, home: Path, tmp_path: Path
) -> None:
    given = arguments(images, home, "name=costs-encode", "methods=[zero-shot]", f"cache.root={tmp_path / 'cache'}")
    folder = run(given)
    assert "- Encoded: 54 features in this job, 0 reused from the cache; in all jobs of this run 54, " in (
        folder.summary.read_text()
    )
    run(given)
    assert "- Encoded: 0 features in this job, 54 reused from the cache; in all jobs of this run 54, " in (
        folder.summary.read_text()
    )
