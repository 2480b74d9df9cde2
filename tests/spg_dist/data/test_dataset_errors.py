"""Each fault of a data set gives one clear message: what, where, what was expected, what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spg_dist.data import DataConfig, DatasetError, load_manifest


@pytest.fixture
def error_of(tmp_path: Path) -> Callable[..., str]:
    def load(folder: Path, dataset: Any = "auto", **changes: Any) -> str:
        with pytest.raises(DatasetError) as caught:
            load_manifest(DataConfig(dataset=dataset, root=str(folder), **changes), tmp_path / "splits")
        return str(caught.value)

    return load


def edit_split(folder: Path, stem: str, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / "spg_coop_splits" / f"{stem}_train_val_split.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_missing_root(tmp_path: Path, error_of: Callable[..., str]) -> None:
    message = error_of(tmp_path / "nowhere", "pacs")
    assert str(tmp_path / "nowhere") in message and "does not exist" in message and "data.root" in message


def test_root_that_is_a_file(tmp_path: Path, error_of: Callable[..., str]) -> None:
    (tmp_path / "PACS.zip").touch()
    assert "is a file" in error_of(tmp_path / "PACS.zip", "pacs")


def test_no_images_at_all(tmp_path: Path, error_of: Callable[..., str]) -> None:
    (tmp_path / "photo" / "dog").mkdir(parents=True)
    (tmp_path / "photo" / "dog" / "readme.txt").touch()
    assert "no images at all" in error_of(tmp_path, "folder")


def test_unknown_layout_says_what_was_looked_for(tmp_path: Path, pacs: Any, error_of: Callable[..., str]) -> None:
    message = error_of(pacs.folder, "vlcs")
    assert "no layout known for 'vlcs'" in message
    assert "<root>/spg_coop_splits" in message and "<domain>/<class>/<image>" in message
    assert "caltech, labelme, pascal, sun" in message
    assert "It holds images" in message


def test_several_data_sets_under_the_root(tmp_path: Path, pacs: Any, error_of: Callable[..., str]) -> None:
    shutil.copytree(pacs.folder, pacs.folder.parent / "pacs")
    assert "several data sets (PACS, pacs)" in error_of(pacs.folder.parent)


def test_absent_images_are_counted_by_file(pacs: Any, error_of: Callable[..., str]) -> None:
    for path in sorted((pacs.folder / "images" / "cartoon").rglob("*.png"))[:5]:
        path.unlink()
    message = error_of(pacs.folder)
    assert "c_train_val_split.json names 5: images/cartoon/dog/0.png, images/cartoon/dog/1.png" in message
    assert "and 2 more" in message and "data check" in message


def test_absent_domain_of_a_published_data_set(pacs: Any, error_of: Callable[..., str]) -> None:
    shutil.rmtree(pacs.folder / "images" / "sketch")
    (pacs.folder / "spg_coop_splits" / "s_train_val_split.json").unlink()
    message = error_of(pacs.folder, "pacs")
    assert "domain sketch has no folder with images" in message and "data.dataset=folder" in message


def test_absent_split_file(pacs: Any, error_of: Callable[..., str]) -> None:
    (pacs.folder / "spg_coop_splits" / "s_train_val_split.json").unlink()
    assert "domain sketch has no rows in the split files" in error_of(pacs.folder)


def test_class_in_one_domain_only(toys: Any, error_of: Callable[..., str]) -> None:
    (toys.folder / "dusk" / "train").rename(toys.folder / "dusk" / "Train")
    message = error_of(toys.folder, "folder")
    assert "domain daylight has no images of Train, which dusk has" in message


def test_domain_without_val_images(pacs: Any, error_of: Callable[..., str]) -> None:
    edit_split(pacs.folder, "p", lambda content: content.update(val=[], test=[]))
    assert "domain photo has no val images" in error_of(pacs.folder)


def test_class_too_small_to_be_split(toys: Any, error_of: Callable[..., str]) -> None:
    for i in (1, 2, 3):
        (toys.folder / "dusk" / "red_car" / f"{i}.png").unlink()
    message = error_of(toys.folder, "folder")
    assert "class 'red car' of domain 'dusk' has 1 image(s)" in message and "val would be empty" in message


def test_share_that_leaves_train_empty(toys: Any, error_of: Callable[..., str]) -> None:
    assert "train would be empty" in error_of(toys.folder, "folder", train_share=0.1)


def test_one_label_with_two_names(pacs: Any, error_of: Callable[..., str]) -> None:
    def rename(content: dict[str, Any]) -> None:
        for split in ("train", "val", "test"):
            for row in content[split]:
                row[3] = {"dog": "cat"}.get(row[3], row[3])

    edit_split(pacs.folder, "c", rename)
    message = error_of(pacs.folder)
    assert (
        "label 0 is 'dog' in a_train_val_split.json (train[0]) and 'cat' in c_train_val_split.json (train[0])"
        in message
    )


def test_one_name_with_two_labels(pacs: Any, error_of: Callable[..., str]) -> None:
    def relabel(content: dict[str, Any]) -> None:
        for split in ("train", "val", "test"):
            for row in content[split]:
                row[1] += 5

    edit_split(pacs.folder, "c", relabel)
    message = error_of(pacs.folder)
    assert "class 'dog' has label 0 in a_train_val_split.json (train[0]) and 5 in c_train_val_split.json" in message


def test_two_class_folders_with_one_name(toys: Any, error_of: Callable[..., str]) -> None:
    (toys.folder / "dusk" / "red_car").rename(toys.folder / "dusk" / "red car")
    assert "'red car' and 'red_car' are both the class 'red car'" in error_of(toys.folder, "folder")


def test_two_folders_of_one_domain(pacs: Any, error_of: Callable[..., str]) -> None:
    shutil.rmtree(pacs.folder / "spg_coop_splits")
    shutil.copytree(pacs.folder / "images" / "sketch", pacs.folder / "images" / "Sketch")
    assert "Sketch and sketch are both the domain sketch" in error_of(pacs.folder, "pacs")


@pytest.mark.parametrize(
    "path", ["PACS/images/../../../etc/x.png", "/etc/x.png", "C:/x/y/z.png", "PACS\\..\\x\\y.png", "../PACS/a/b/c.png"]
)
def test_split_path_that_leaves_the_folder(pacs: Any, error_of: Callable[..., str], path: str) -> None:
    edit_split(pacs.folder, "a", lambda content: content["train"].append([path, 0, 0, "dog"]))
    message = error_of(pacs.folder)
    assert "leaves the data set's folder" in message and "train[6]" in message


def test_list_path_that_leaves_the_folder(tmp_path: Path, error_of: Callable[..., str]) -> None:
    (tmp_path / "clipart_train.txt").write_text("clipart/dog/x.png 0\n../../secret/x.png 1\n")
    assert "line 2" in error_of(tmp_path) and "leaves" in error_of(tmp_path)


def test_list_line_that_is_no_path_and_label(tmp_path: Path, error_of: Callable[..., str]) -> None:
    (tmp_path / "clipart_train.txt").write_text("clipart/dog/x.png zero\n")
    assert "clipart_train.txt, line 1" in error_of(tmp_path) and "<label>" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not readable as JSON"),
        ("[]", "no lists 'train' and 'val'"),
        ('{"train": [["PACS/images/a/b/c.png", 0]], "val": []}', "is not [path, label, domain index, class name]"),
        ('{"train": [["x.png", 0, 0, "dog"]], "val": []}', "too short"),
    ],
)
def test_malformed_split_file(pacs: Any, error_of: Callable[..., str], content: str, fault: str) -> None:
    file = pacs.folder / "spg_coop_splits" / "a_train_val_split.json"
    file.write_text(content)
    message = error_of(pacs.folder)
    assert str(file) in message and fault in message


def test_image_in_train_and_val(pacs: Any, error_of: Callable[..., str]) -> None:
    edit_split(pacs.folder, "a", lambda content: content["val"].append(content["train"][0]))
    assert "images/art_painting/dog/0.png is in train and again in val" in error_of(pacs.folder)


def test_image_in_two_split_files(pacs: Any, error_of: Callable[..., str]) -> None:
    place = pacs.folder / "spg_coop_splits"
    shutil.copy(place / "a_train_val_split.json", place / "art_train_val_split.json")
    assert "and so does a_train_val_split.json" in error_of(pacs.folder)


def test_split_file_of_two_domains(pacs: Any, error_of: Callable[..., str]) -> None:
    edit_split(pacs.folder, "a", lambda content: content["train"][0].__setitem__(2, 3))
    assert "rows of domains [0, 3]" in error_of(pacs.folder)
