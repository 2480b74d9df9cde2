"""What works without a download: a drawn data set of four domains, and a tiny CLIP trained on such drawings."""

from spg_dist.embedded.dataset import drawn_at_home, write_drawn_dataset
from spg_dist.embedded.tiny_clip import TINY_CLIP_NAME, tiny_clip_files
from spg_dist.embedded.vocabulary import DRAWN_CLASSES, DRAWN_DOMAINS

__all__ = [
    "DRAWN_CLASSES",
    "DRAWN_DOMAINS",
    "TINY_CLIP_NAME",
    "drawn_at_home",
    "tiny_clip_files",
    "write_drawn_dataset",
]
