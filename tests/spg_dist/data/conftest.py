"""Small trees of real image files in every layout, for the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spg_dist.testing.images import put_images
from spg_dist.testing.layouts import Tree

PACS_DOMAINS = ("art_painting", "cartoon", "photo", "sketch")
VLCS_DOMAINS = ("caltech", "labelme", "pascal", "sun")
TERRA_DOMAINS = ("location_100", "location_38", "location_43", "location_46")
DOMAINNET_DOMAINS = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")


def put_classes(folder: Path, domains: tuple[str, ...], classes: tuple[str, ...], count: int = 4) -> None:
    for domain in domains:
        for name in classes:
            put_images(folder, *(f"{domain}/{name}/{i}.png" for i in range(count)))


def write_split(folder: Path, stem: str, rows: dict[str, list[list[object]]]) -> None:
    place = folder / "spg_coop_splits"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{stem}_train_val_split.json").write_text(json.dumps({"test": rows.get("val", []), **rows}))


def spg_tree(
    folder: Path, prefix: str, domains: tuple[str, ...], classes: tuple[str, ...], stems: tuple[str, ...]
) -> None:
    """The SPG authors' layout: the first three images of each class are train, the last one val."""
    put_classes(folder / "images", domains, classes)
    for index, (domain, stem) in enumerate(zip(domains, stems, strict=True)):
        rows: dict[str, list[list[object]]] = {"train": [], "val": []}
        for label, name in enumerate(classes):
            for i in range(4):
                row = [f"{prefix}{domain}/{name}/{i}.png", label, index, name]
                rows["val" if i == 3 else "train"].append(row)
        write_split(folder, stem, rows)


def spg_pacs(base: Path) -> Tree:
    spg_tree(base / "PACS", "PACS/images/", PACS_DOMAINS, ("dog", "guitar"), ("a", "c", "p", "s"))
    return Tree("spg-splits", "pacs", base / "PACS", PACS_DOMAINS, ("dog", "guitar"), drawn=False)


def spg_terra(base: Path) -> Tree:
    stems = ("100", "38", "43", "46")
    spg_tree(base / "TerraIncognita", "terra/images/", TERRA_DOMAINS, ("bird", "empty"), stems)
    return Tree("spg-splits", "terraincognita", base / "TerraIncognita", TERRA_DOMAINS, ("bird", "empty"), drawn=False)


def spg_officehome(base: Path) -> Tree:
    """Images keep Dassl's train and val folders, splits are drawn across them; the folder has another name."""
    folder, domains = base / "OfficeHome", ("art", "clipart", "product", "real_world")
    for index, domain in enumerate(domains):
        rows: dict[str, list[list[object]]] = {"train": [], "val": []}
        for label, name in enumerate(("Alarm_Clock", "Bed")):
            paths = put_images(
                folder, *(f"images/{domain}/{s}/{name}/{i}.jpg" for s in ("train", "val") for i in range(2))
            )
            for i, path in enumerate(paths):
                rows["val" if i == 1 else "train"].append([f"office_home_dg/{path}", label, index, name])
        write_split(folder, domain[0], rows)
    return Tree("spg-splits", "officehome", folder, domains, ("Alarm Clock", "Bed"), drawn=False)


def spg_vlcs(base: Path) -> Tree:
    """`full` is train and `test` is val; train and crossval are copies of full, as in Dassl's archive."""
    folder, domains = base / "vlcs", ("CALTECH", "LABELME", "PASCAL", "SUN")
    for index, domain in enumerate(domains):
        rows: dict[str, list[list[object]]] = {"train": [], "val": []}
        for label, name in enumerate(("bird", "car")):
            full = put_images(folder, *(f"images/{domain}/full/{label}/{i}.jpg" for i in range(3)))
            test = put_images(folder, f"images/{domain}/test/{label}/0.jpg")
            put_images(folder, f"images/{domain}/train/{label}/0.jpg", f"images/{domain}/crossval/{label}/1.jpg")
            rows["train"] += [[f"VLCS/{path}", label, index, name] for path in full]
            rows["val"] += [[f"VLCS/{path}", label, index, name] for path in test]
        write_split(folder, domain[0].lower(), rows)
    return Tree("spg-splits", "vlcs", folder, VLCS_DOMAINS, ("bird", "car"), drawn=False)


def spg_domainnet(base: Path) -> Tree:
    """The split files keep a part of the images."""
    folder = base / "domainnet"
    stems = tuple(domain[0] for domain in DOMAINNET_DOMAINS)
    spg_tree(folder, "DomainNet/images/", DOMAINNET_DOMAINS, ("aircraft_carrier", "bee"), stems)
    put_images(folder, *(f"images/{domain}/bee/unlisted.png" for domain in DOMAINNET_DOMAINS))
    return Tree("spg-splits", "domainnet", folder, DOMAINNET_DOMAINS, ("aircraft carrier", "bee"), drawn=False)


def dassl_pacs(base: Path) -> Tree:
    """Labels count from 1; the test list repeats train and crossval."""
    folder = base / "pacs"
    put_classes(folder / "images", PACS_DOMAINS, ("dog", "guitar"))
    (folder / "splits").mkdir()
    for domain in PACS_DOMAINS:
        lines = [f"{domain}/{name}/{i}.png {label}" for label, name in ((1, "dog"), (2, "guitar")) for i in range(4)]
        parts = {"train": [line for line in lines if "/3." not in line], "crossval": lines[3::4], "test": lines}
        for part, content in parts.items():
            (folder / "splits" / f"{domain}_{part}_kfold.txt").write_text("\n".join(content) + "\n")
    return Tree("kfold-lists", "pacs", folder, PACS_DOMAINS, ("dog", "guitar"), drawn=False)


def dassl_vlcs(base: Path) -> Tree:
    folder = base / "VLCS"
    for domain in ("CALTECH", "LABELME", "PASCAL", "SUN"):
        for label in range(5):
            parts = {"full": range(3), "train": range(2), "crossval": range(2, 3), "test": range(1)}
            put_images(folder, *(f"{domain}/{part}/{label}/{i}.jpg" for part, images in parts.items() for i in images))
    names = ("bird", "car", "chair", "dog", "person")
    per_class = {"train": 2, "val": 1, "test": 1}
    return Tree("split-folders", "vlcs", folder, VLCS_DOMAINS, names, drawn=False, per_class=per_class)


def dassl_officehome(base: Path) -> Tree:
    folder, domains = base / "office_home_dg", ("art", "clipart", "product", "real_world")
    for domain in domains:
        for name in ("Alarm_Clock", "Bed"):
            put_images(folder, *(f"{domain}/train/{name}/{i}.jpg" for i in range(3)), f"{domain}/val/{name}/3.jpg")
    return Tree("split-folders", "officehome", folder, domains, ("Alarm Clock", "Bed"), drawn=False)


def _domainnet_lists(folder: Path, lists: Path) -> Tree:
    put_classes(folder, DOMAINNET_DOMAINS, ("aircraft_carrier", "bee"))
    lists.mkdir(exist_ok=True)
    for domain in DOMAINNET_DOMAINS:
        lines = [
            f"{domain}/{n}/{i}.png {label}" for label, n in enumerate(("aircraft_carrier", "bee")) for i in range(4)
        ]
        (lists / f"{domain}_train.txt").write_text("\n".join(line for line in lines if "/3." not in line))
        (lists / f"{domain}_test.txt").write_text("\n".join(line for line in lines if "/3." in line))
    return Tree("domainnet-lists", "domainnet", folder, DOMAINNET_DOMAINS, ("aircraft carrier", "bee"), drawn=False)


def dassl_domainnet(base: Path) -> Tree:
    return _domainnet_lists(base / "domainnet", base / "domainnet" / "splits")


def original_domainnet(base: Path) -> Tree:
    return _domainnet_lists(base / "DomainNet", base / "DomainNet")


def _domainbed(dataset: str, folder: Path, folders: tuple[str, ...], domains: tuple[str, ...], *names: str) -> Tree:
    put_classes(folder, folders, names)
    return Tree("class-folders", dataset, folder, domains, tuple(name.replace("_", " ") for name in names), drawn=True)


def domainbed_pacs(base: Path) -> Tree:
    return _domainbed("pacs", base / "PACS", PACS_DOMAINS, PACS_DOMAINS, "dog", "guitar")


def domainbed_vlcs(base: Path) -> Tree:
    folders = ("Caltech101", "LabelMe", "VOC2007", "SUN09")
    return _domainbed("vlcs", base / "VLCS", folders, VLCS_DOMAINS, "bird", "person")


def domainbed_officehome(base: Path) -> Tree:
    folders = ("Art", "Clipart", "Product", "Real World")
    domains = ("art", "clipart", "product", "real_world")
    return _domainbed("officehome", base / "office_home", folders, domains, "Alarm_Clock", "Bed")


def domainbed_terra(base: Path) -> Tree:
    return _domainbed("terraincognita", base / "terra_incognita", TERRA_DOMAINS, TERRA_DOMAINS, "bird", "empty")


def domainbed_domainnet(base: Path) -> Tree:
    folder = base / "domain_net"
    return _domainbed("domainnet", folder, DOMAINNET_DOMAINS, DOMAINNET_DOMAINS, "aircraft_carrier", "bee")


def generic(base: Path) -> Tree:
    """Two domains with one first letter, and a class in two words."""
    return _domainbed("folder", base / "toys", ("daylight", "dusk"), ("daylight", "dusk"), "red_car", "train")


def generic_with_split_files(base: Path) -> Tree:
    domains = ("inside", "outside")
    spg_tree(base / "drawn", "drawn/images/", domains, ("cup", "tea_pot"), ("i", "o"))
    return Tree("spg-splits", "folder", base / "drawn", domains, ("cup", "tea pot"), drawn=False)


TREES: tuple[Callable[[Path], Tree], ...] = (
    spg_pacs,
    spg_vlcs,
    spg_officehome,
    spg_terra,
    spg_domainnet,
    dassl_pacs,
    dassl_vlcs,
    dassl_officehome,
    dassl_domainnet,
    original_domainnet,
    domainbed_pacs,
    domainbed_vlcs,
    domainbed_officehome,
    domainbed_terra,
    domainbed_domainnet,
    generic,
    generic_with_split_files,
)


@pytest.fixture(params=TREES, ids=lambda build: build.__name__)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """One tree in each layout; its parent folder holds nothing else."""
    built: Tree = request.param(tmp_path / "data")
    return built


@pytest.fixture
def pacs(tmp_path: Path) -> Tree:
    """PACS in the SPG authors' layout, to be damaged by a test."""
    return spg_pacs(tmp_path / "data")


@pytest.fixture(params=[spg_vlcs, dassl_vlcs], ids=lambda build: build.__name__)
def vlcs_with_copies(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """VLCS with `full` beside its copies in `train` and `crossval`."""
    built: Tree = request.param(tmp_path / "data")
    return built


@pytest.fixture
def toys(tmp_path: Path) -> Tree:
    """A folder of the user's own without splits, to be damaged by a test."""
    return generic(tmp_path / "data")
