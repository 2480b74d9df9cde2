"""What `ray job submit --working-dir .` uploads: the code, and nothing of the data that lies in the checkout."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from ray._private.runtime_env.packaging import create_package

from spg_dist.data.image_files import IMAGE_SUFFIXES

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = ("spg_dist", "cache", "tuning", "jobs", "benchmarks")
DATA = (".zip", ".tar", ".tar.gz", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".safetensors", ".arrow", ".mdb")


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files of a package made by Ray of a checkout that holds images, weights and a user's own code."""
    checkout = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0")[:-1]:
        if (REPOSITORY / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, checkout / name)
    for suffix in (*IMAGE_SUFFIXES, *DATA):
        for name in (f"0{suffix}", f"1{suffix.upper() if suffix in IMAGE_SUFFIXES else suffix}"):
            for folder in ("PACS/art_painting/dog", "spg_dist/data", "."):
                (checkout / folder).mkdir(parents=True, exist_ok=True)
                (checkout / folder / name).write_bytes(b"data")
    (checkout / "own_methods").mkdir()
    for name in ("own_methods/mine.py", "mine.yaml", "PACS/art_train.txt"):
        (checkout / name).write_text("mine")
    package = tmp_path_factory.mktemp("package") / "code.zip"
    create_package(str(checkout), package, include_gitignore=True)
    with zipfile.ZipFile(package) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_no_image_weight_or_archive_is_uploaded(uploaded: set[str]) -> None:
    assert not {name for name in uploaded if Path(name).stem in ("0", "1", "0.tar", "1.tar")}


def test_all_that_the_code_needs_is_uploaded(uploaded: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", *CODE], cwd=REPOSITORY, capture_output=True, check=True)
    needed = {name for name in listed.stdout.decode().split("\0")[:-1] if (REPOSITORY / name).is_file()}
    assert needed and needed <= uploaded
    assert {"own_methods/mine.py", "mine.yaml", "pyproject.toml"} <= uploaded
