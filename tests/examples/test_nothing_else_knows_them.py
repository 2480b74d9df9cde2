"""What an example adds is in one file of a few lines, and nothing else of the repository names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
MAY_NAME_THEM = ("examples/", "tests/examples/", "docs/extending.md")
LINES = 100


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < LINES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_no_other_file_names_an_example(example: Path) -> None:
    names = {example.stem, example.stem.replace("_", "-")}
    naming = [
        str(path.relative_to(REPOSITORY))
        for folder in ("spg_dist", "cache", "tuning", "jobs", "benchmarks", "docs", "tests")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".md", ".yaml", ".toml") and any(name in path.read_text("utf-8") for name in names)
    ]
    assert [path for path in naming if not path.startswith(MAY_NAME_THEM)] == []


def test_the_guide_counts_their_lines() -> None:
    guide = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    counted = dict(re.findall(r"`((?:tests/)?examples/\w+\.py)` \| (\d+) \|", guide))
    assert {REPOSITORY / name for name in counted} >= set(EXAMPLES)
    for name, lines in counted.items():
        assert int(lines) == len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()), name
