"""A split file that gives images the class of another folder is refused by file and row; other spellings are not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spg_dist.data import DataConfig, DatasetError, check_dataset, load_manifest

DOMAINS = ("day", "night")
Row = list[str | int]
Change = Callable[[str, str, int, Row], None]
"""Given domain, split, position in it and the row, which it may change."""


def no_change(domain: str, split: str, n: int, row: Row) -> None:
    pass


def build(root: Path, names: dict[str, str], domains: Sequence[str] = DOMAINS, change: Change = no_change) -> Path:
    """Images in folders, and split files that call the class of each folder by its name in `names`."""
    for k, domain in enumerate(domains):
        rows: dict[str, list[Row]] = {"train": [], "val": []}
        for label, (folder, name) in enumerate(names.items()):
            (root / "images" / domain / folder).mkdir(parents=True)
            for i in range(4):
                (root / "images" / domain / folder / f"{i}.png").touch()
                rows["val" if i == 3 else "train"].append([f"set/images/{domain}/{folder}/{i}.png", label, k, name])
        for split, listed in rows.items():
            for n, row in enumerate(listed):
                change(domain, split, n, row)
        (root / "spg_coop_splits").mkdir(exist_ok=True)
        file = root / "spg_coop_splits" / f"{domain[0]}_train_val_split.json"
        file.write_text(json.dumps({**rows, "test": rows["val"]}), encoding="utf-8")
    return root


def load(root: Path, dataset: str = "folder") -> tuple[str, ...]:
    config = DataConfig(dataset=dataset, root=str(root))
    return load_manifest(config, root.parent / "drawn").class_names


def swap(row: Row) -> None:
    """Label and class, as a row of the other class has them."""
    row[1], row[3] = {"cat": (1, "dog"), "dog": (0, "cat")}[str(row[3])]


SWAPS: dict[str, tuple[Change, str]] = {
    "a row": (lambda d, s, n, row: swap(row) if (d, s, n) == ("night", "train", 4) else None, "n_.*json (train[4])"),
    "a row of val": (lambda d, s, n, row: swap(row) if (d, s, n) == ("day", "val", 1) else None, "d_.*json (val[1])"),
    "a file": (lambda d, s, n, row: swap(row) if d == "night" else None, "n_.*json (train[0])"),
    "all files": (lambda d, s, n, row: swap(row), "d_.*json (train[0])"),
}


@pytest.mark.parametrize("swapped", SWAPS)
def test_a_class_that_is_another_folders_is_refused_by_file_and_row(tmp_path: Path, swapped: str) -> None:
    change, where = SWAPS[swapped]
    root = build(tmp_path / "set", {"cat": "cat", "dog": "dog"}, change=change)
    file, place = where.split(".*json ")
    with pytest.raises(DatasetError) as caught:
        load(root)
    message = str(caught.value)
    assert f"{file}train_val_split.json {place} gives images/" in message and str(root) in message
    assert "lies in another class's folder" in message and "Correct the row" in message
    assert message in check_dataset(DataConfig(dataset="folder", root=str(root))).problems


@pytest.mark.parametrize(
    "names",
    [
        {"0": "cat", "1": "dog"},
        {"n02123045": "tabby", "n02084071": "dog"},
        {"Alarm_Clock": "alarm_clock", "TV": "tv"},
        {"alarm-clock": "Alarm Clock", "t-shirt": "T_shirt"},
        {"café": "cafe\u0301", "thé": "THÉ"},
        {"dog": "hound", "cat": "tabby"},
    ],
    ids=lambda names: " ".join(names),
)
def test_folders_may_be_called_otherwise_than_their_classes(tmp_path: Path, names: dict[str, str]) -> None:
    expected = tuple(name.replace("_", " ") for name in names.values())
    assert load(build(tmp_path / "set", names)) == expected


def test_domains_may_spell_a_folder_in_two_ways(tmp_path: Path) -> None:
    def change(domain: str, split: str, n: int, row: Row) -> None:
        if domain == "night":
            row[0] = str(row[0]).replace("Alarm_Clock", "alarm-clock")

    root = build(tmp_path / "set", {"Alarm_Clock": "alarm-clock", "Bed": "Bed"}, change=change)
    (root / "images" / "night" / "Alarm_Clock").rename(root / "images" / "night" / "alarm-clock")
    assert load(root) == ("alarm-clock", "Bed")


def test_a_row_unlike_the_others_of_its_folder_is_refused(tmp_path: Path) -> None:
    def change(domain: str, split: str, n: int, row: Row) -> None:
        if (domain, split, n) == ("night", "train", 1):
            row[1], row[3] = 1, "dog"

    root = build(tmp_path / "set", {"n02123045": "tabby", "n02084071": "dog"}, change=change)
    with pytest.raises(DatasetError, match=r"n_train_val_split.json \(train\[1\]\) gives .*'dog'.*with 'tabby' of n_"):
        load(root)


@pytest.mark.parametrize("label", [0, 4])
def test_vlcs_folders_are_numbers_and_a_wrong_name_is_refused(tmp_path: Path, label: int) -> None:
    names = dict(enumerate(("bird", "car", "chair", "dog", "person")))
    domains = ("CALTECH", "LABELME", "PASCAL", "SUN")
    right = build(tmp_path / "VLCS", {str(k): name for k, name in names.items()}, domains)
    assert load(right, "vlcs") == tuple(names.values())

    def change(domain: str, split: str, n: int, row: Row) -> None:
        if domain == "SUN" and row[1] == label:
            row[1], row[3] = 1, "car"

    wrong = build(tmp_path / "wrong" / "VLCS", {str(k): name for k, name in names.items()}, domains, change)
    place = f"train[{3 * label}]"
    with pytest.raises(DatasetError) as caught:
        load(wrong, "vlcs")
    assert f"S_train_val_split.json ({place}) gives images/SUN/{label}/0.png the class 'car'" in str(caught.value)


def test_a_list_with_the_label_of_another_class_is_refused_by_line(tmp_path: Path) -> None:
    root, domains = tmp_path / "PACS", ("art_painting", "cartoon", "photo", "sketch")
    (root / "splits").mkdir(parents=True)
    for domain in domains:
        lines = {"train": list[str](), "crossval": list[str]()}
        for label, name in enumerate(("dog", "horse"), start=1):
            (root / domain / name).mkdir(parents=True)
            for i in range(4):
                (root / domain / name / f"{i}.png").touch()
                wrong = (domain, name, i) == ("photo", "horse", 1)
                lines["crossval" if i == 3 else "train"].append(f"{domain}/{name}/{i}.png {1 if wrong else label}\n")
        for part, content in lines.items():
            (root / "splits" / f"{domain}_{part}_kfold.txt").write_text("".join(content), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"label 1 is 'dog' in .* and 'horse' in photo_train_kfold.txt \(line 5\)"):
        load(root, "pacs")
