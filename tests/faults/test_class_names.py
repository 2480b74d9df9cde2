"""Class names that people can tell apart and the tokenizer cannot, or that it would cut, end in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input_material import DOMAINS, arguments, failure
from drawn_material import CLASSES, draw_images

from jobs import full_pipeline

LONG = "a very long winded name of a class " * 6


@pytest.fixture
def named(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Images of as many classes as names are asked for."""
    names: tuple[str, ...] = request.param
    root = draw_images(tmp_path / "set", DOMAINS, CLASSES[: len(names)], each=4)
    for domain in DOMAINS:
        for drawn, name in zip(CLASSES, names, strict=False):
            (root / domain / drawn).rename(root / domain / name)
    return root


@pytest.mark.parametrize("methods", ["spg", "zero-shot", "coop"])
@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("Car", "car"), "'Car' and 'car' are one text to CLIP's tokenizer, which reads 'car' in both"),
        (("caf\u00e9", "cafe\u0301"), "are one text"),
        (("salt&amp;pepper", "salt&pepper"), "which reads 'salt & pepper' in both"),
        (("t-shirt", "t - shirt"), "are one text"),
        (("chair", "_"), "is empty to CLIP's tokenizer"),
    ],
    indirect=["named"],
)
def test_names_that_the_tokenizer_cannot_tell_apart(
    named: Path, message: str, methods: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failure(arguments(named, tmp_path / "home", f"methods=[{methods}]"), capsys)
    assert not list((tmp_path / "home").rglob("*.arrow")) and not (tmp_path / "home/runs/bad").exists()


@pytest.mark.parametrize("methods", ["spg", "zero-shot", "zero-shot-ensemble", "dpl"])
@pytest.mark.parametrize("named", [("chair", LONG[:190].strip())], indirect=True)
def test_a_name_that_the_tokenizer_would_cut(
    named: Path, methods: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(arguments(named, tmp_path / "home", f"methods=[{methods}]"), capsys)
    assert "a very long winded name" in message and "shorten the name" in message
    assert not list((tmp_path / "home").rglob("*.arrow"))


@pytest.mark.parametrize("named", [("Car", "car")], indirect=True)
def test_a_method_that_reads_no_names_takes_any(named: Path, tmp_path: Path) -> None:
    full_pipeline.main(arguments(named, tmp_path / "home", "methods=[linear-probe]", "linear_probe.epochs=1"))
    assert (tmp_path / "home/runs/bad/results.csv").is_file()
