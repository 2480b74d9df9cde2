"""The processor's name in records."""

from pathlib import Path

import pytest
import torch

import spg_dist.processor as processor_module
from spg_dist.processor import processor


def test_the_model_and_the_instruction_set_are_named() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    told = cpuinfo.read_text() if cpuinfo.exists() else ""
    model, instructions = processor().rsplit(", ", 1)
    assert model and (model in told or "model name" not in told)
    assert instructions == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize("text", [None, "processor\t: 0\nBogoMIPS\t: 50.00\n"], ids=["no file", "no model in it"])
def test_a_machine_without_a_model_name_has_one_all_the_same(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(processor_module, "CPUINFO", path)
    processor.cache_clear()
    try:
        assert not processor().startswith(",")
    finally:
        processor.cache_clear()
