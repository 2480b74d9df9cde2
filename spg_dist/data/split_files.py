"""The published split format: `<stem>_train_val_split.json` with rows [path, label, domain index, class name].

Source: the SPG authors' release. Its keys are train, val and test; test repeats val. Paths begin with the name of the
data set's folder, which varies between releases, so it is not trusted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from spg_dist.data.confinement import escapes
from spg_dist.data.errors import DatasetError
from spg_dist.data.manifest import Split
from spg_dist.user_text import read_user_text

ENDING = "_train_val_split.json"
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class FileRow(NamedTuple):
    """One row as written: `path` with the data set's folder name in front; `number` within its split."""

    path: str
    label: int
    domain: int
    class_name: str
    split: Split
    number: int = 0


def split_files(folder: Path) -> list[Path]:
    """The split files in a folder, sorted; an empty list if there is no such folder."""
    return sorted(folder.glob(f"*{ENDING}"))


def read_split_file(file: Path) -> list[FileRow]:
    """The rows of train, of val, and those of test that are in neither.

    Raises:
        DatasetError: not this format, a path that leaves the folder, an image in train and val, several domain indices.
    """
    content = _load(file)
    rows: dict[str, FileRow] = {}
    for split in SPLITS:
        for number, values in enumerate(content.get(split, [])):
            row = _row(file, split, number, values)
            earlier = rows.setdefault(row.path, row)
            if earlier is not row and split != "test":
                raise DatasetError(
                    f"{file}: {row.path} is in {earlier.split} and again in {split}; an image belongs to one split: "
                    "restore the published file"
                )
    domains = {row.domain for row in rows.values()}
    if len(domains) > 1:
        raise DatasetError(f"{file} has rows of domains {sorted(domains)}; a split file belongs to one domain")
    return list(rows.values())


def read_split_text(file: Path) -> str:
    """The text of a split file or list. Raises DatasetError: it is no UTF-8, or cannot be read."""
    try:
        return read_user_text(file)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error


def _load(file: Path) -> dict[str, list[object]]:
    text = read_split_text(file)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"{file} is not readable as JSON ({error}); restore or delete it") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ("train", "val")):
        raise DatasetError(f"{file} has no lists 'train' and 'val'; restore the published file or delete it")
    return content


def _row(file: Path, split: Split, number: int, values: object) -> FileRow:
    match values:
        case [str(path), int(label), int(domain), str(class_name)] if label >= 0:
            if escapes(path):
                raise DatasetError(
                    f"{file}, {split}[{number}]: the path {path!r} leaves the data set's folder; remove it"
                )
            return FileRow(path, label, domain, class_name, split, number)
    raise DatasetError(
        f"{file}, {split}[{number}]: {str(values)[:80]} is not [path, label, domain index, class name]; "
        "restore the published file"
    )


def write_split_file(file: Path, rows: Iterable[FileRow]) -> None:
    """Write rows in the published format, with test repeating val, and make sure that they are on disk."""
    content: dict[str, list[list[str | int]]] = {split: [] for split in SPLITS}
    for row in rows:
        values: list[str | int] = [row.path, row.label, row.domain, row.class_name]
        content[row.split].append(values)
        if row.split == "val":
            content["test"].append(values)
    with file.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(content))
        stream.flush()
        os.fsync(stream.fileno())
