"""A run's files are there whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cache.durable import write_text
from spg_dist.training.files import read_tensors, write_tensors

TENSORS = {
    "half": torch.arange(6, dtype=torch.float16).reshape(2, 3),
    "double": torch.tensor(0.1, dtype=torch.float64),
    "ids": torch.tensor([2**40, -1]),
    "empty": torch.zeros(0, 4),
    "bfloat": torch.tensor([1.5], dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "turned": torch.arange(6.0).reshape(2, 3).T,
}


def test_tensors_and_record_come_back_as_they_were(tmp_path: Path) -> None:
    record = {"identity": "Größe", "history": [{"loss": 0.1 + 0.2}], "best": -1}
    write_tensors(tmp_path / "new" / "folder" / "x.safetensors", TENSORS, record)
    tensors, stored = read_tensors(tmp_path / "new" / "folder" / "x.safetensors")
    assert stored == record
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor), name
    assert [entry.name for entry in (tmp_path / "new" / "folder").iterdir()] == ["x.safetensors"]


def test_weights_that_share_memory_or_want_gradients_can_be_written(tmp_path: Path) -> None:
    """A generator's state is views of one buffer; a prompt is a leaf with a gradient."""
    both = torch.arange(8.0, requires_grad=True)
    write_tensors(tmp_path / "x", {"first": both[:4], "second": both[4:], "whole": both}, {})
    tensors, _ = read_tensors(tmp_path / "x")
    assert tensors["second"].tolist() == [4, 5, 6, 7]
    assert not tensors["whole"].requires_grad


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, str(tmp_path / "x"))
    with pytest.raises(ValueError, match=r"x holds no spg-dist record, expected a file written by a run"):
        read_tensors(tmp_path / "x")
    save_file({"a": torch.zeros(1)}, str(tmp_path / "y"), metadata={"spg-dist": "{broken"})
    with pytest.raises(ValueError, match=r"y is damaged"):
        read_tensors(tmp_path / "y")


FILL = """
import resource, signal, sys
from pathlib import Path
import torch
from cache.durable import write_text
from spg_dist.training.files import write_tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (
    lambda: write_tensors(Path(sys.argv[1]), {"w": torch.ones(1_000_000)}, {"new": 1}),
    lambda: write_text(Path(sys.argv[1]), "x" * 1_000_000),
):
    try:
        write()
    except OSError as error:
        print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """The limit on a file's size fails a write in the middle, as a full disk does."""
    path = tmp_path / "x"
    write_tensors(path, {"w": torch.zeros(3)}, {"old": 1})
    before = path.read_bytes()
    child = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    tensors_refused, text_refused = child.stdout.splitlines()
    assert f"cannot write {path}" in tensors_refused and "run the same command again" in tensors_refused
    assert "File too large" in text_refused
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_cannot_be_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        write_tensors(tmp_path / "file" / "x", {"w": torch.zeros(3)}, {})
    assert (tmp_path / "file").read_text() == "no folder"


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "summary.md", "first, and longer")
    write_text(tmp_path / "new" / "summary.md", "± zweite")
    assert (tmp_path / "new" / "summary.md").read_text(encoding="utf-8") == "± zweite"
    assert len(list((tmp_path / "new").iterdir())) == 1
