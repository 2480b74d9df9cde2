"""Where a run was trained: what can move the last bits of its result, and is no part of its identity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from spg_dist import __version__
from spg_dist.processor import processor


@dataclass(frozen=True)
class Provenance:
    """One sitting of a training.

    Arguments:
        processor: of the machine, or the accelerator's name.
        threads: torch's, on a processor.
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

    @classmethod
    def stored(cls, record: dict[str, Any]) -> Provenance:
        """From a file's record."""
        return cls(**record)

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return f"{self.processor}, {threads}, torch {self.torch_version}, spg-dist {self.version}"


OF_VERSION_0_1_0 = Provenance("a processor that was not recorded", 1, "of an unrecorded version", "0.1.0")
"""What files without a provenance have."""
