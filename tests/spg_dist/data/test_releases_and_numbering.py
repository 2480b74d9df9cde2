"""Which release of a published data set lies there, and the label of each class as the published lists number them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from spg_dist.data import DataConfig, Manifest, check_dataset, load_manifest, render
from spg_dist.data.datasets import DATASETS

DOMAINNET_DOMAINS = tuple(DATASETS["domainnet"].domains)
TERRA_DOMAINS = ("location_100", "location_38", "location_43", "location_46")
OLDER_SELECTION = "the older selection of 24,788 images"
DOMAINNET_CLASSES = (Path(__file__).parent / "domainnet_classes.txt").read_text(encoding="utf-8").split()
"""In the order of the published lists."""


def put_classes(root: Path, domains: Sequence[str], classes: Sequence[str], each: int = 4) -> None:
    """Empty files: nothing here decodes them."""
    for domain in domains:
        for name in classes:
            (root / domain / name).mkdir(parents=True)
            for i in range(each):
                (root / domain / name / f"{i}.png").touch()


def load(root: Path, splits: Path, dataset: str = "auto") -> Manifest:
    return load_manifest(DataConfig(dataset=dataset, root=str(root)), splits)


def printed(root: Path) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(check_dataset(DataConfig(dataset="auto", root=str(root))), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_older_terraincognita_is_known_by_its_counts() -> None:
    terra = DATASETS["terraincognita"]
    older = dict(zip(TERRA_DOMAINS, (4_879, 9_767, 4_020, 6_122), strict=True))
    assert sum(older.values()) == 24_788
    assert terra.release(older) == OLDER_SELECTION
    assert terra.release({**older, "location_38": 9_766}) == "", "one image less is no release"


def test_a_release_is_told_by_the_check_and_in_the_jobs_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tree with a thousandth of the images, and counts to match it."""
    terra, root = DATASETS["terraincognita"], tmp_path / "terra_incognita"
    older, present = (dict(zip(TERRA_DOMAINS, counts, strict=True)) for counts in ((8, 9, 8, 7), (6, 9, 8, 5)))
    monkeypatch.setitem(terra.other_releases, OLDER_SELECTION, older)
    for domain, count in older.items():
        monkeypatch.setitem(terra.images, domain, present[domain])
        put_classes(root, [domain], ["cat"], each=count)
    assert load(root, tmp_path).remarks == (f"release: {OLDER_SELECTION} of TerraIncognita",)
    assert f"beside {OLDER_SELECTION}" in printed(root) and printed(root).count("equal") == 4

    (root / "location_100" / "cat" / "7.png").unlink()
    assert load(root, tmp_path).remarks == ()
    assert "older selection" not in printed(root) and printed(root).count("equal") == 2 and "+1" in printed(root)

    for path in ("location_100/cat/6.png", "location_46/cat/6.png", "location_46/cat/5.png"):
        (root / path).unlink()
    assert load(root, tmp_path).remarks == ()
    assert "older selection" not in printed(root) and printed(root).count("equal") == 4


@pytest.mark.parametrize(("dataset", "total"), [("terraincognita", 24_788), ("domainnet", 596_010)])
def test_the_other_release_has_the_total_that_its_name_says(dataset: str, total: int) -> None:
    ((name, counts),) = DATASETS[dataset].other_releases.items()
    assert sum(counts.values()) == total and f"{total:,}" in name


def test_domainnets_folders_are_numbered_as_its_published_lists_number_them(tmp_path: Path) -> None:
    """Zero-based: `The_Eiffel_Tower` is the 309th of 345 classes, `t-shirt` the 328th."""
    put_classes(tmp_path / "domainnet", DOMAINNET_DOMAINS, DOMAINNET_CLASSES, each=2)
    names = load(tmp_path / "domainnet", tmp_path / "splits").class_names
    assert names == tuple(name.replace("_", " ") for name in DOMAINNET_CLASSES)
    assert (names.index("The Eiffel Tower"), names.index("t-shirt"), len(names)) == (308, 327, 345)


def test_labels_of_domainnets_lists_and_of_its_folders_alone_agree(tmp_path: Path) -> None:
    classes = ("cello", "cell_phone", "paintbrush", "paint_can", "see_saw", "tent", "The_Mona_Lisa", "t-shirt", "van")
    put_classes(tmp_path / "domainnet", DOMAINNET_DOMAINS, classes)
    from_folders = load(tmp_path, tmp_path / "splits", "domainnet")
    for domain in DOMAINNET_DOMAINS:
        for part, numbers in {"train": range(3), "test": range(3, 4)}.items():
            lines = [f"{domain}/{name}/{i}.png {DOMAINNET_CLASSES.index(name)}" for name in classes for i in numbers]
            (tmp_path / "domainnet" / f"{domain}_{part}.txt").write_text("\n".join(lines), encoding="utf-8")
    from_lists = load(tmp_path, tmp_path / "splits", "domainnet")
    assert "published lists" in from_lists.splits_source and "drawn" in from_folders.splits_source
    assert from_lists.class_names == from_folders.class_names == tuple(name.replace("_", " ") for name in classes)
    assert [i[:3] for i in from_lists.images] == [i[:3] for i in from_folders.images]


def test_every_other_data_set_keeps_the_order_of_its_names(tmp_path: Path) -> None:
    classes = ("The_Mona_Lisa", "Zebra", "cell_phone", "cello", "t-shirt", "tent")
    put_classes(tmp_path / "mine", ("day", "night"), classes)
    put_classes(tmp_path / "OfficeHome", ("Art", "Clipart", "Product", "Real World"), classes)
    for root, dataset in (("mine", "folder"), ("OfficeHome", "officehome")):
        names = load(tmp_path / root, tmp_path / "splits", dataset).class_names
        assert names == tuple(name.replace("_", " ") for name in classes)
