"""The class that a row of a split file names, held against the folder that its image lies in."""

from __future__ import annotations

import unicodedata
from functools import cache

from spg_dist.data.errors import DatasetError
from spg_dist.data.layouts import SplitRow
from spg_dist.data.locating import FoundDataset


def require_classes_of_folders(found: FoundDataset) -> None:
    """No row may give an image of one class folder the class of another.

    Folders may well be called otherwise than their classes: 0 to 4 in VLCS, WordNet's numbers, another case. A row
    contradicts its folder where it names the class of another folder, or another class than the folder's first row.

    Raises:
        DatasetError: naming the file and the row.
    """
    folders = {image.class_folder for image in found.listing.images}
    published = found.published.class_names if found.published else ()
    taken = {spelling(name) for name in (*map(found.class_name, folders), *published)}
    # Of hundreds of thousands of rows, one for each folder and class that it is given.
    given: dict[tuple[str, str], SplitRow] = {}
    for row in found.listing.rows or []:
        given.setdefault((row.path.rpartition("/")[0], row.class_folder), row)
    first: dict[str, SplitRow] = {}
    for (folder, _), row in given.items():
        said = spelling(found.class_name(row.class_folder))
        on_the_way = (spelling(found.class_name(name)) for name in folder.split("/"))
        earlier = first.setdefault(folder, row)
        if said in taken and said not in on_the_way:
            raise _contradiction(found, row, "lies in another class's folder")
        if spelling(found.class_name(earlier.class_folder)) != said:
            raise _contradiction(found, row, f"lies in one folder with {earlier.class_folder!r} of {earlier.where}")


def _contradiction(found: FoundDataset, row: SplitRow, but: str) -> DatasetError:
    return DatasetError(
        f"{found.listing.root}: {row.where} gives {row.path} the class {row.class_folder!r}, but it {but}. "
        "Correct the row, or restore the published file"
    )


@cache
def spelling(name: str) -> str:
    """Letters and digits of any script alone, without case: how releases spell one name differently."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", name).casefold() if letter.isalnum())
