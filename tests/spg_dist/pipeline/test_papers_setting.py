"""The paper's figures stand next to a run on a whole published data set, and next to no other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from spg_dist.config import parse_config
from spg_dist.data import ImageRecord, Manifest
from spg_dist.pipeline.report_facts import is_the_papers_setting


@pytest.mark.parametrize(
    ("dataset", "images", "expected"),
    [
        ("PACS", 9_991, True),
        ("PACS", 560, False),
        ("TerraIncognita", 24_330, True),
        ("TerraIncognita", 10_000, False),
        ("DomainNet", 20_000, True),  # its split files keep a part
        ("mine", 50_000, False),
    ],
)
def test_it_takes_a_data_set_of_the_paper_and_nearly_all_of_its_images(
    dataset: str, images: int, expected: bool
) -> None:
    manifest = Manifest(dataset, Path("/here"), ("dog",), ("a",), (ImageRecord("a/dog/0.png", 0, 0, "train"),) * images)
    material = SimpleNamespace(
        manifest=manifest,
        core=parse_config([], "test"),
        clip=SimpleNamespace(openai_weights=True),
        duplicates=SimpleNamespace(groups=[]),
    )
    assert is_the_papers_setting(material) is expected  # type: ignore[arg-type]
