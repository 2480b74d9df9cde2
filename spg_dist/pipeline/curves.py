"""Training curves for TensorBoard, one folder a run."""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from spg_dist.experiment.folder import RunFolder
from spg_dist.experiment.runs import RunSpec

FILE_VERSION = "brain.Event:2"


class CurveWriter:
    """Writes every run's metrics. A run that is resumed reports its former epochs again, so its folder starts anew.

    A file is open while an epoch is added to it: tensorboardX's own writer keeps one open, and a thread, for each of
    the hundreds of runs that may be trained together.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._file_of: dict[RunSpec, Path] = {}

    def write(self, spec: RunSpec, epoch: int, metrics: dict[str, float]) -> None:
        """Add one epoch's metrics; epoch 0 begins the run's curves."""
        if epoch == 0 or spec not in self._file_of:
            path = self.folder.tensorboard(spec)
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            self._file_of[spec] = path / f"events.out.tfevents.{time.time_ns()}"
            self._append(spec, Event(wall_time=time.time(), file_version=FILE_VERSION))
        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._append(spec, Event(wall_time=time.time(), step=epoch, summary=Summary(value=values)))

    def _append(self, spec: RunSpec, event: Event) -> None:
        """A record of TensorFlow's format: length and content, each with its checksum."""
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        with self._file_of[spec].open("ab") as file:
            checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, content))
            file.write(length + next(checksums) + content + next(checksums))
