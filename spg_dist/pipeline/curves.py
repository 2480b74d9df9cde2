"""Training curves for TensorBoard, one folder a run."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Any

from tensorboardX import SummaryWriter

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec


class CurveWriter:
    """Writes every run's metrics. A run that is resumed reports its former epochs again, so its folder starts anew."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._open: dict[RunSpec, Any] = {}

    def __enter__(self) -> CurveWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, spec: RunSpec, epoch: int, metrics: dict[str, float]) -> None:
        """Add one epoch's metrics; epoch 0 begins the run's curves."""
        if epoch == 0 or spec not in self._open:
            if spec in self._open:
                self._open.pop(spec).close()
            path = self.folder.tensorboard(spec)
            shutil.rmtree(path, ignore_errors=True)
            self._open[spec] = SummaryWriter(str(path), write_to_disk=True)
        for name, value in metrics.items():
            self._open[spec].add_scalar(name, value, epoch)
