"""Split files as Windows and old tools write them are read, or refused by file and row.

Every reader of a text that users bring along is here: split files, lists, spaces, weights' configurations, --config.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spg_dist.clip.config import ClipConfig
from spg_dist.clip.weights import find_weights
from spg_dist.config import config_class
from spg_dist.config.messages import fault_of_config_file
from spg_dist.data import DataConfig, DatasetError, Manifest, load_manifest
from spg_dist.embedded import tiny_clip_files
from tuning.space_files import load_space

DOMAINS = ("art_painting", "cartoon", "photo", "sketch")
CLASSES = ("dog", "guitar")
Edit = Callable[[str], bytes]


def put_images(root: Path) -> Path:
    for domain in DOMAINS:
        for name in CLASSES:
            (root / domain / name).mkdir(parents=True)
            for i in range(4):
                (root / domain / name / f"{i}é.png").touch()
    return root


def as_json(root: Path, edit: Edit = str.encode) -> Path:
    """Split files as published: the class names are those of the folders, test repeats val."""
    (root / "spg_coop_splits").mkdir(exist_ok=True)
    for k, domain in enumerate(DOMAINS):
        rows: dict[str, list[list[object]]] = {"train": [], "val": []}
        for label, name in enumerate(CLASSES):
            for i in range(4):
                rows["val" if i == 3 else "train"].append([f"PACS/images/{domain}/{name}/{i}é.png", label, k, name])
        text = json.dumps({**rows, "test": rows["val"]}, ensure_ascii=False)
        (root / "spg_coop_splits" / f"{domain[0]}_train_val_split.json").write_bytes(edit(text))
    return root


def as_lists(root: Path, edit: Edit = str.encode) -> Path:
    (root / "splits").mkdir(exist_ok=True)
    for domain in DOMAINS:
        for part, numbers in {"train": range(3), "crossval": range(3, 4)}.items():
            lines = [f"{domain}/{name}/{i}é.png {label}\n" for label, name in enumerate(CLASSES) for i in numbers]
            (root / "splits" / f"{domain}_{part}_kfold.txt").write_bytes(edit("".join(lines)))
    return root


def load(root: Path) -> Manifest:
    return load_manifest(DataConfig(dataset="pacs", root=str(root)), root.parent / "drawn")


def error_of(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load(root)
    return str(caught.value)


READABLE: dict[str, Edit] = {
    "a byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16, as PowerShell writes": lambda text: text.encode("utf-16"),
    "backslashes": lambda text: text.replace("/", "\\\\" if text.startswith("{") else "\\").encode(),
    "some backslashes": lambda text: (
        text.replace("PACS/images/", "PACS/images\\\\").replace("g/", "g\\\\").encode()
        if text.startswith("{")
        else text.replace("g/", "g\\").encode()
    ),
    "Windows' line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "all at once": lambda text: (
        text.replace("/", "\\\\" if text.startswith("{") else "\\").replace("\n", "\r\n").encode("utf-8-sig")
    ),
}


@pytest.mark.parametrize("write", [as_json, as_lists])
@pytest.mark.parametrize("way", READABLE)
def test_files_from_windows_say_what_they_say(tmp_path: Path, write: Callable[..., Path], way: str) -> None:
    put_images(tmp_path / "PACS" / "images")
    expected = load(write(tmp_path / "PACS"))
    assert load(write(tmp_path / "PACS", READABLE[way])) == expected
    assert len(expected.images) == len(DOMAINS) * len(CLASSES) * 4 and "published" in expected.splits_source


@pytest.mark.parametrize(
    "path", ["PACS\\..\\..\\x\\y.png", "..\\PACS\\a\\b\\c.png", "C:\\x\\y\\z.png", "\\\\host\\x\\y.png"]
)
@pytest.mark.parametrize("write", [as_json, as_lists])
def test_backslashes_lead_nowhere_else(tmp_path: Path, write: Callable[..., Path], path: str) -> None:
    put_images(tmp_path / "PACS" / "images")

    def edit(text: str) -> bytes:
        if text.startswith("{"):
            content = json.loads(text)
            content["train"][1][0] = path
            return json.dumps(content).encode()
        return "".join(f"{path} 0\n" if n == 1 else line for n, line in enumerate(text.splitlines(True))).encode()

    message = error_of(write(tmp_path / "PACS", edit))
    assert "leaves the data set's folder" in message and ("train[1]" in message or "line 2" in message)


@pytest.mark.parametrize(
    ("write", "name"), [(as_json, "a_train_val_split.json"), (as_lists, "art_painting_train_kfold.txt")]
)
def test_latin_1_is_refused_by_file_and_row(tmp_path: Path, write: Callable[..., Path], name: str) -> None:
    put_images(tmp_path / "PACS" / "images")
    message = error_of(write(tmp_path / "PACS", lambda text: text.encode("latin-1")))
    assert name in message and "line 1" in message and "art_painting/dog/0\\\\xe9.png" in message
    assert "save the file as UTF-8" in message and "codec" not in message


def test_the_line_is_that_of_the_letter(tmp_path: Path) -> None:
    root = put_images(tmp_path / "PACS" / "images").parent
    as_lists(root)
    file = root / "splits" / "photo_train_kfold.txt"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_bytes(
        b"".join(
            line.encode("latin-1" if n == 4 else "utf-8-sig" if n == 0 else "utf-8") for n, line in enumerate(lines)
        )
    )
    assert f"{file}, line 5: 'photo/guitar/1\\\\xe9.png 1' is not UTF-8 (0xe9" in error_of(root)


def of_a_space(folder: Path, text: bytes) -> object:
    (folder / "space.yaml").write_bytes(text)
    return load_space(str(folder / "space.yaml"), config_class()()).dimensions


def of_weights(folder: Path, text: bytes) -> object:
    shutil.copy(tiny_clip_files()[1], folder / "weights.safetensors")
    (folder / "open_clip_config.json").write_bytes(text)
    found = find_weights(ClipConfig("tiny-rn", str(folder / "weights.safetensors")))
    return found.quick_gelu, found.preprocess


READERS: dict[str, tuple[str, Callable[[Path, bytes], object]]] = {
    "space": ("stage1.initial_text: {choices: [a photo of a, 'un café']}\n", of_a_space),
    "weights": ('{"model_cfg": {"quick_gelu": true}, "preprocess_cfg": {"of": "café"}}', of_weights),
}


@pytest.mark.parametrize("reader", READERS)
def test_other_texts_of_users_are_read_alike(tmp_path: Path, reader: str) -> None:
    text, read = READERS[reader]
    expected = read(tmp_path, text.encode())
    for encoding in ("utf-8-sig", "utf-16"):
        assert read(tmp_path, text.encode(encoding)) == expected
    with pytest.raises(ValueError, match=r"line 1: .*caf\\\\xe9.* is not UTF-8"):
        read(tmp_path, text.encode("latin-1"))


def test_a_config_file_may_have_a_mark_and_is_named_where_it_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes("stage1: {initial_text: un café}\n".encode("utf-8-sig"))
    assert fault_of_config_file(str(tmp_path / "mine.yaml"), []) is None
    (tmp_path / "mine.yaml").write_bytes("seeds: [1]\nstage1: {initial_text: un café}\n".encode("latin-1"))
    assert "mine.yaml is not UTF-8 in line 2" in (fault_of_config_file(str(tmp_path / "mine.yaml"), []) or "")
