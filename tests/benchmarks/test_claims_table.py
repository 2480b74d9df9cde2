"""The table of claims names the machine and tells what is met; a program that cannot measure takes no other with it."""

from __future__ import annotations

import io

import pytest
import torch

from benchmarks import __main__ as program
from benchmarks.claims import Claim, print_table


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


def test_a_program_that_fails_is_named_and_the_status_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "programs", lambda: ["claims"])  # a module of the folder that measures nothing
    assert program.main([]) == 1
    said = capsys.readouterr()
    assert "not measured: claims: AttributeError" in said.err
    assert "claim" in said.out


def test_every_file_that_measures_is_a_program() -> None:
    found = program.programs()
    assert {"encode", "prompt_encoder", "reference_cost", "stage2"} <= set(found)
    assert not {"__main__", "claims", "timing", "part_costs"} & set(found)


def test_an_unknown_program_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["encod"])
    assert "encod" in (said := capsys.readouterr().err) and "stage2" in said
