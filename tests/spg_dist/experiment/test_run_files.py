"""What a run's folder keeps comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from spg_dist.experiment.folder import RunFolder


@pytest.mark.parametrize(
    "odd",
    [
        "two\nlines",
        "a\r\nb",
        "back\\slash",
        "back\\nslash",
        "\\\\n",
        "form\ffeed",
        "line\u2028separator",
        " blank ",
        "Ärger",
    ],
)
def test_any_class_name_survives_the_file_of_classes(tmp_path: Path, odd: str) -> None:
    folder = RunFolder(tmp_path)
    folder.write_classes(["car", odd, "fish"])
    assert folder.read_classes() == ["car", odd, "fish"]


def test_the_file_of_classes_is_a_name_a_line(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_classes(["car", "alarm clock"])
    assert RunFolder(tmp_path).classes.read_text(encoding="utf-8") == "car\nalarm clock\n"
