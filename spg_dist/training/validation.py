"""On what, and how often, an epoch is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spg_dist.training.seeds import numpy_random


@dataclass(frozen=True)
class ValidationConfig:
    """Model selection costs a pass over the val split; both settings buy time with a coarser choice of the epoch."""

    val_every: int = 1
    """Every so many epochs one is judged on the val split, and the last always; only judged epochs can be kept."""

    val_images: int = 0
    """Images of the val split that judge an epoch, the same for all epochs, chosen by the run's seed; 0 = all. The val
    accuracy in the results is then that of these images."""

    def __post_init__(self) -> None:
        if self.val_every < 1:
            raise ValueError(f"val_every is {self.val_every}, expected 1 (every epoch) or more")
        if self.val_images < 0:
            raise ValueError(f"val_images is {self.val_images}, expected 0 (all) or more")

    def chosen(self, val_rows: np.ndarray, seed: int) -> np.ndarray:
        """The rows that judge the run with this seed, in the order of `val_rows`."""
        if not 0 < self.val_images < len(val_rows):
            return val_rows
        random = numpy_random(seed, "val images")
        return val_rows[np.sort(random.choice(len(val_rows), self.val_images, replace=False))]
