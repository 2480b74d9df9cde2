"""Images of one data set: where they lie, their classes, domains and splits."""

from spg_dist.data.check_display import render
from spg_dist.data.checking import CheckReport, check_dataset
from spg_dist.data.config import DataConfig
from spg_dist.data.decoding import Pixels, decode_rgb
from spg_dist.data.errors import DatasetError, ImageRejected
from spg_dist.data.loading import load_manifest
from spg_dist.data.manifest import ImageRecord, Manifest

__all__ = [
    "CheckReport",
    "DataConfig",
    "DatasetError",
    "ImageRecord",
    "ImageRejected",
    "Manifest",
    "Pixels",
    "check_dataset",
    "decode_rgb",
    "load_manifest",
    "render",
]
