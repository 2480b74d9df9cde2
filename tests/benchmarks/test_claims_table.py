"""The table of claims names the machine and tells what is met; a program that cannot measure takes no other with it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as program
from benchmarks.claims import Claim, print_table
from benchmarks.programs import programs

OTHERS = {*(f"{name}.py" for name in programs()), "__pycache__"}  # not copied: they take minutes


@pytest.mark.parametrize(
    ("ratio", "target", "met"), [(0.95, 0.95, True), (0.949, 0.95, False), (3.0, None, None), (None, None, None)]
)
def test_a_claim_is_met_from_its_target_on(ratio: float | None, target: float | None, met: bool | None) -> None:
    assert Claim("x", "y", "z", ratio, target).met is met


def test_the_table_names_the_machine_and_every_rows_verdict() -> None:
    file = io.StringIO()
    print_table(
        [
            Claim("encode: speed", "as fast as plain", "14.1 against 14.0 images/s", 1.007, 0.95),
            Claim("stage 2: speed", "as fast as bare", "50 against 100 steps/s", 0.5, 0.9),
            Claim("open", "reported", "3 ms"),
        ],
        file,
    )
    machine, _, header, encode, measured, _, stage2, _, _, opened, *_ = file.getvalue().splitlines()
    assert "cores" in machine and "memory" in machine and torch.__version__ in machine
    assert header.split()[:2] == ["claim", "ratio"]
    assert encode.split()[-4:] == ["1.01", ">=", "0.95", "met"] and "14.1 against 14.0 images/s" in measured
    assert "NOT MET" in stage2 and "reported" in opened


QUICK = """
import os
from benchmarks.claims import Claim

def measure():
    return [Claim("quick: process", "another than its parent", f"parent {os.getppid()}", 2.0, 1.0)]
"""


def test_each_program_runs_in_its_own_process_and_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    shutil.copytree(Path(program.__file__).parent, tmp_path / "benchmarks", ignore=lambda *_: OTHERS)
    (tmp_path / "benchmarks" / "broken.py").write_text("def measure():\n    raise MemoryError('too large')\n")
    (tmp_path / "benchmarks" / "quick.py").write_text(QUICK)
    run = [sys.executable, "-m", "benchmarks"]
    done = subprocess.run(run, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not measured: broken: MemoryError: too large" in done.stderr
    assert re.search(r"quick: process +2 +>= 1  met\n +parent \d+\n", done.stdout)
    alone = subprocess.run([*run, "quick"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True)
    assert alone.returncode == 0


def test_every_file_that_measures_is_a_program() -> None:
    found = programs()
    assert {"encode", "prompt_encoder", "reference_cost", "stage2"} <= set(found)
    assert not {"__main__", "claims", "timing", "part_costs"} & set(found)


def test_an_unknown_program_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["encod"])
    assert "encod" in (said := capsys.readouterr().err) and "stage2" in said
