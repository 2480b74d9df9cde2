"""What the whole run is given: the published counts, and no image twice, which the cache would encode once."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from benchmarks.whole_run import draw_data_set
from spg_dist.data.datasets.pacs import DATASET as PACS


def test_a_share_of_each_domain_is_drawn_over_all_classes_and_no_image_twice(tmp_path: Path) -> None:
    assert draw_data_set(tmp_path / "pacs", share=0.02) == 41 + 47 + 33 + 79
    files = sorted((tmp_path / "pacs").glob("*/*/*.jpg"))
    for domain, count in PACS.images.items():
        here = [file for file in files if file.parts[-3] == domain]
        assert len(here) == round(0.02 * count)
        assert {file.parent.name for file in here} == set(PACS.class_names)
    assert len({blake3(file.read_bytes()).hexdigest() for file in files}) == len(files) == 200
