"""Where a run was trained: what can move the last bits of its result, and is no part of its identity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from spg_dist import __version__
from spg_dist.processor import processor


@dataclass(frozen=True)
class Provenance:
    """One sitting of a training. What was not recorded is empty or 0.

    Arguments:
        processor: of the machine, or the accelerator's name.
        threads: torch's.
        torch_version: PyTorch's.
        version: this program's.
    """

    processor: str
    threads: int
    torch_version: str
    version: str

    @classmethod
    def here(cls, device: torch.device) -> Provenance:
        """This process, working on `device`."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
        return cls(name, torch.get_num_threads(), torch.__version__, __version__)

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def changes(self, now: Provenance) -> str:
        """What is otherwise now, "threads: 1 then, 2 now"; empty where nothing is that was recorded."""
        return "; ".join(
            f"{name}: {then} then, {getattr(now, name)} now"
            for name, then in self.record().items()
            if then and then != getattr(now, name)
        )

    def __str__(self) -> str:
        """E.g. "AMD EPYC 7763, AVX2, 1 thread"."""
        if not self.processor:
            return "a processor that was not recorded"
        return f"{self.processor}, {self.threads} thread" + ("" if self.threads == 1 else "s")


OF_VERSION_0_1_0 = Provenance(processor="", threads=0, torch_version="", version="0.1.0")
"""Of files that have none."""
