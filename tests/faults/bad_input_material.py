"""A small data set to spoil, and the job run on it: in this process or as a user would start it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import full_pipeline

REPOSITORY = Path(__file__).resolve().parents[2]
DOMAINS = ("art", "cartoon", "photo")


def arguments(root: Path, home: Path, *settings: str) -> list[str]:
    """A short run of one target; everything it writes is below `home`."""
    return [
        "name=bad",
        "execution.backend=local",
        "data.dataset=folder",
        f"data.root={root}",
        f"runs={home / 'runs'}",
        f"cache.root={home / 'cache'}",
        "clip.device=cpu",
        "seeds=[1]",
        "targets=[art]",
        "methods=[spg]",
        "stage1.epochs=1",
        "stage2.epochs=1",
        "stage2.batch_size=8",
        *settings,
    ]


def failure(given: list[str], capsys: pytest.CaptureFixture[str], status: int = 1) -> str:
    """The one message of a run in this process that ends with `status`."""
    with pytest.raises(SystemExit) as caught:
        full_pipeline.main(given)
    assert caught.value.code == status
    return one_message(capsys.readouterr().err)


def one_message(stderr: str) -> str:
    """Exactly one message, no traceback."""
    assert "Traceback" not in stderr, stderr
    lines = [line for line in stderr.splitlines() if line.strip() and line != "(--help explains every field)"]
    assert len(lines) == 1, stderr
    return lines[0]


def start(given: list[str], home: Path, largest_file_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """The job as a process of its own; files above `largest_file_bytes` cannot be written, as on a full disk."""

    def limit() -> None:
        if largest_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))

    command = [sys.executable, "-m", "jobs.full_pipeline", *given]
    environment = {**os.environ, "SPG_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def half_written(home: Path) -> list[Path]:
    """Temporary files that a writer left behind."""
    return [path for path in home.rglob("*") if path.suffix == ".tmp" or path.name.endswith(".partial")]
