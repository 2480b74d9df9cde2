"""A real Ray head, and the pipeline's files seen from outside."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spg_dist.distributed.local_head import LocalHead, local_head


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the jobs' relative paths are resolved against."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def head(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHead]:
    """A head for the tests of a file, started with all that lies in its way: an interpreter below a path with
    blanks, a scheduler's long temporary folder, a proxy."""
    long = tmp_path_factory.mktemp("a-folder-that-a-scheduler-made-for-the-temporary-files-of-job-1234567")
    environment = long / "mit Umläuten und Blanks"
    environment.symlink_to(sys.prefix, target_is_directory=True)
    settings = {
        "SPG_HOME": home,
        "TMPDIR": long,
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, str(value))
        patch.setattr(tempfile, "tempdir", None)  # else the folder that was found before
        patch.setattr(sys, "executable", str(environment / "bin" / "python"))
        patch.setattr(sys, "prefix", str(environment))
        with local_head() as running:
            yield running
