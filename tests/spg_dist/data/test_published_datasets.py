"""The real PACS images, and what is peculiar to single data sets."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spg_dist.data import DataConfig, DatasetError, check_dataset, decode_rgb, load_manifest
from spg_dist.data.datasets import DATASETS


def test_pacs_mini_as_its_split_files_say(shared_dir: Path, tmp_path: Path) -> None:
    manifest = load_manifest(DataConfig(dataset="auto", root=str(shared_dir / "pacs-mini")), tmp_path)
    assert manifest.dataset == "PACS" and manifest.domains == ("art_painting", "cartoon", "photo", "sketch")
    assert manifest.class_names == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert "SPG authors'" in manifest.splits_source
    for index, letter in enumerate("acps"):
        file = shared_dir / "pacs-mini" / "PACS" / "spg_coop_splits" / f"{letter}_train_val_split.json"
        content = json.loads(file.read_text())
        for split in ("train", "val"):
            expected = {(row[0].removeprefix("PACS/"), row[1], row[2]) for row in content[split]}
            found = {(i.path, i.label, i.domain) for i in manifest.images if i.domain == index and i.split == split}
            assert found == expected


def test_pacs_mini_can_be_decoded(shared_dir: Path, tmp_path: Path) -> None:
    manifest = load_manifest(DataConfig(dataset="pacs", root=str(shared_dir / "pacs-mini")), tmp_path)
    sizes = Counter(decode_rgb(manifest.absolute(image)).size for image in manifest.images)
    assert sizes == {(227, 227): 560}


def test_pacs_mini_is_checked_beside_the_published_counts(shared_dir: Path) -> None:
    report = check_dataset(DataConfig(dataset="pacs", root=str(shared_dir / "pacs-mini")))
    assert [report.published_images[domain] for domain in report.domains] == [2048, 2344, 1670, 3929]
    assert [report.domain_images(domain) for domain in report.domains] == [140] * 4
    assert report.ok


def test_the_damaged_sketch_is_left_out_of_pacs(pacs: Any, tmp_path: Path) -> None:
    left_out = pacs.folder / "images" / "sketch" / "dog" / "n02103406_4068-1.png"
    (pacs.folder / "images" / "sketch" / "dog" / "0.png").rename(left_out)
    file = pacs.folder / "spg_coop_splits" / "s_train_val_split.json"
    file.write_text(file.read_text().replace("sketch/dog/0.png", "sketch/dog/n02103406_4068-1.png"))
    manifest = load_manifest(DataConfig(dataset="auto", root=str(pacs.folder)), tmp_path / "w")
    assert manifest.left_out == {"images/sketch/dog/n02103406_4068-1.png"}
    assert left_out in [manifest.absolute(image) for image in manifest.images]


def test_test_rows_beyond_train_and_val_are_test_images(pacs: Any, tmp_path: Path) -> None:
    file = pacs.folder / "spg_coop_splits" / "a_train_val_split.json"
    content = json.loads(file.read_text())
    content["test"] += [content["train"].pop(0)]
    file.write_text(json.dumps(content))
    manifest = load_manifest(DataConfig(dataset="pacs", root=str(pacs.folder)), tmp_path / "w")
    assert [i.path for i in manifest.images if i.split == "test"] == ["images/art_painting/dog/0.png"]


def test_a_folder_named_by_its_owner_keeps_that_name(toys: Any, tmp_path: Path) -> None:
    config = DataConfig(dataset="folder", root=str(toys.folder))
    assert load_manifest(config, tmp_path / "w").dataset == "toys"
    config = replace(config, name="my toys")
    assert load_manifest(config, tmp_path / "w").dataset == "my toys"


@pytest.mark.parametrize(
    ("key", "images", "classes"),
    [
        ("pacs", 9_991, 7),
        ("vlcs", 10_729, 5),
        ("officehome", 15_588, 65),
        ("terraincognita", 24_330, 10),
        ("domainnet", 586_575, 345),
    ],
)
def test_counts_by_domain_add_up_to_the_published_totals(key: str, images: int, classes: int) -> None:
    dataset = DATASETS[key]
    assert sum(dataset.images.values()) == images
    assert dataset.class_count == classes and len(dataset.class_names) in (0, classes)
    assert set(dataset.images) == set(dataset.domains)


def test_other_classes_in_domains_called_as_those_of_pacs_are_not_pacs(pacs: Any, tmp_path: Path) -> None:
    for file in (pacs.folder / "spg_coop_splits").iterdir():
        file.write_text(file.read_text().replace("guitar", "boat"))
    for folder in list((pacs.folder / "images").glob("*/guitar")):
        folder.rename(folder.with_name("boat"))
    own = pacs.folder.rename(pacs.folder.with_name("mine"))
    assert load_manifest(DataConfig(dataset="auto", root=str(own)), tmp_path / "w").dataset == "mine"


def test_the_published_gap_in_domainnet_is_allowed(tmp_path: Path) -> None:
    """painting_train.txt has no t-shirt, so that gap is accepted; any other one is a fault."""
    for domain in DATASETS["domainnet"].domains:
        for name in ("apple", "t-shirt"):
            if (domain, name) != ("painting", "t-shirt"):
                (tmp_path / "domainnet" / domain / name).mkdir(parents=True)
                for i in range(4):
                    (tmp_path / "domainnet" / domain / name / f"{i}.png").touch()
    manifest = load_manifest(DataConfig(dataset="domainnet", root=str(tmp_path)), tmp_path / "w")
    assert manifest.counts()[manifest.domain_index("painting"), 1] == 0
    (tmp_path / "domainnet" / "painting" / "apple").rename(tmp_path / "domainnet" / "painting" / "t-shirt")
    with pytest.raises(DatasetError, match="painting has no images of apple"):
        load_manifest(DataConfig(dataset="domainnet", root=str(tmp_path)), tmp_path / "w")


def test_the_documentation_has_the_published_counts() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    told = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in DATASETS}
    assert len(told) >= 5
    for name, (domains, classes, images) in told.items():
        dataset = DATASETS[name]
        assert domains == ", ".join(f"{domain} {count:,}" for domain, count in dataset.images.items())
        assert (classes, images) == (str(dataset.class_count), f"{sum(dataset.images.values()):,}")
