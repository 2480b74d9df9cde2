"""What a job says about its CLIP before it works."""

from __future__ import annotations

import pytest

from spg_dist.config import parse_config
from spg_dist.pipeline.prepare import clip_remarks

DRAWINGS = "nothing but drawings"


@pytest.mark.parametrize(
    ("given", "remark"),
    [
        ([], ""),
        (["data.dataset=folder", "data.root=/my/photos"], DRAWINGS),
        (["protocol=cross-dataset", "test_data=[{dataset: pacs, root: /data/PACS}]"], DRAWINGS),
        (["data.dataset=auto", "data.root=/data", "clip.model=ViT-B-32", "clip.pretrained=random"], ""),
    ],
)
def test_the_embedded_clip_on_other_images_than_drawings_is_warned_of(given: list[str], remark: str) -> None:
    said = " ".join(clip_remarks(parse_config(given, "test"), ""))
    assert remark in said and bool(remark) == bool(said)
