"""Everything that runs on an accelerator keeps its tensors there, and comes to what the processor comes to."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch.utils.backend_registration

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec
from spg_dist.training.loop import read_trained

REPOSITORY = Path(__file__).resolve().parents[2]
STAND_IN = REPOSITORY / "tests" / "end_to_end" / "stand_in_accelerator.py"
METHODS = ("linear-probe", "coop", "cocoop", "dpl", "spg")
SETTINGS = [
    f"methods=[zero-shot,zero-shot-ensemble,{','.join(METHODS)}]",
    "name=held-together",
    "targets=[sketch]",
    "seeds=[1,2]",
    "data.images_per_class=4",
    "encode.views=1",
    "stage2.epochs=3",
    "stage2.learning_rate=1e-5",  # at a higher one the smallest difference grows tenfold in a step
    *(f"{stage}.epochs=2" for stage in ("stage1", "coop", "cocoop", "dpl", "linear_probe")),
    "execution.checkpoint_seconds=0",
]


def run(home: Path, command: list[str]) -> tuple[int, str]:
    environment = {**os.environ, "SPG_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.faults
def test_a_network_that_is_mapped_over_the_runs_comes_to_what_it_comes_to_run_by_run(tmp_path: Path) -> None:
    if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch takes no devices written in Python")
    given = [*SETTINGS, "methods=[spg]", "stage2.generator=transformer"]
    given += ["stage2.generator_settings={layers: 1, heads: 4, feed_forward: 16}"]
    for home, command in {
        "device": [str(STAND_IN), "0"],
        "cpu": ["jobs/full_pipeline.py", "clip.device=cpu", "execution.backend=local"],
    }.items():
        code, said = run(tmp_path / home, [*command, *given])
        assert code == 0, said
    folders = [RunFolder(tmp_path / where / "runs" / "held-together") for where in ("device", "cpu")]
    for seed in (1, 2):
        on_device, expected = (read_trained(f.artifact(RunSpec("spg", "sketch", seed))).history for f in folders)
        assert len(on_device) == len(expected) == 3
        for ours, theirs in zip(on_device, expected, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-3), seed


@pytest.mark.faults
def test_a_job_on_an_accelerator_goes_on_after_a_kill_and_ends_like_one_on_the_processor(tmp_path: Path) -> None:
    if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch takes no devices written in Python")
    code, said = run(tmp_path / "device", [str(STAND_IN), "1", *SETTINGS])
    assert code == -9, said
    code, said = run(tmp_path / "device", [str(STAND_IN), "0", *SETTINGS])
    assert code == 0 and "spg sketch seed 1: resumed at epoch 2" in said, said
    code, said = run(
        tmp_path / "cpu", ["jobs/full_pipeline.py", "clip.device=cpu", "execution.backend=local", *SETTINGS]
    )
    assert code == 0, said

    folders = [RunFolder(tmp_path / where / "runs" / "held-together") for where in ("device", "cpu")]
    for method in METHODS:
        for seed in (1, 2):
            on_device, expected = (read_trained(f.artifact(RunSpec(method, "sketch", seed))).history for f in folders)
            assert len(on_device) == len(expected) > 0
            for ours, theirs in zip(on_device, expected, strict=True):
                assert ours == pytest.approx(theirs, rel=1e-3), (method, seed)
    tables = [list(csv.DictReader(folder.results.open())) for folder in folders]
    for ours, theirs in zip(*tables, strict=True):
        assert ours["method"] == theirs["method"]
        an_image = 100 / float(theirs["n"])
        assert float(ours["accuracy"]) == pytest.approx(float(theirs["accuracy"]), abs=1.01 * an_image), ours
