"""A disk that is really full: a small tmpfs, mounted where only the test's own processes see it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("full_disk_program.py")
MOUNT_AND_RUN = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'


def on_a_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a user and mount namespace of its own, where `folder` is a disk of 2 MiB."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT_AND_RUN, str(folder)]
    return subprocess.run([*unshare, *command], capture_output=True, text=True, cwd=REPOSITORY, check=False)


@pytest.mark.parametrize("store", ["arrow", "lmdb"])
def test_a_full_disk_loses_no_finished_shard_and_the_same_command_goes_on(tmp_path: Path, store: str) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs the command unshare (util-linux) to mount a small disk")
    probe = on_a_small_disk(tmp_path, "true")
    if probe.returncode:
        pytest.skip(f"a small disk cannot be mounted here without rights: {probe.stderr.strip()}")
    done = on_a_small_disk(tmp_path, sys.executable, str(PROGRAM), str(tmp_path), store)
    assert done.returncode == 0 and "rows fitted" in done.stdout, done.stdout + done.stderr
