"""Which class has which label: from split files, which must agree, or from the sorted names of the class folders.

DomainNet's folders are sorted as its published lists number them, without regard to case, hyphens and underscores:
`The_Eiffel_Tower` comes between `tent` and `tiger`, `t-shirt` after `trumpet`, `cello` before `cell_phone`.
"""

from __future__ import annotations

from spg_dist.data.datasets import plain
from spg_dist.data.errors import DatasetError
from spg_dist.data.layouts import SplitRow
from spg_dist.data.locating import FoundDataset


def class_labels(found: FoundDataset) -> dict[str, int]:
    """Class name -> label 0..C-1, in label order.

    Labels in split files give the order only: Dassl's PACS counts from 1, and a selection of classes leaves gaps.

    Raises:
        DatasetError: a name with two labels, a label with two names, or two class folders with one name.
    """
    rows = found.listing.rows
    names = _from_folders(found) if rows is None else _from_rows(found, rows)
    return {name: label for label, name in enumerate(names)}


def _from_folders(found: FoundDataset) -> list[str]:
    folder_of: dict[str, str] = {}
    folders = sorted({image.class_folder for image in found.listing.images if found.domain(image.domain)})
    if found.published and found.published.numbered_as_plain:
        folders.sort(key=plain)
    for folder in folders:
        earlier = folder_of.setdefault(found.class_name(folder), folder)
        if earlier != folder:
            raise DatasetError(
                f"{found.listing.root}: the class folders {earlier!r} and {folder!r} are both the class "
                f"{found.class_name(folder)!r}; give the class one name in all domains"
            )
    return list(folder_of)


def _from_rows(found: FoundDataset, rows: list[SplitRow]) -> list[str]:
    first_of_label: dict[int, SplitRow] = {}
    first_of_name: dict[str, SplitRow] = {}
    for row in rows:
        name = found.class_name(row.class_folder)
        by_label = first_of_label.setdefault(row.label, row)
        by_name = first_of_name.setdefault(name, row)
        if by_label is not row and found.class_name(by_label.class_folder) != name:
            raise DatasetError(
                f"{found.listing.root}: label {row.label} is {by_label.class_folder!r} in {by_label.where} and "
                f"{row.class_folder!r} in {row.where}; restore the published split files"
            )
        if by_name.label != row.label:
            raise DatasetError(
                f"{found.listing.root}: class {name!r} has label {by_name.label} in {by_name.where} and {row.label} "
                f"in {row.where}; restore the published split files"
            )
    return [found.class_name(first_of_label[label].class_folder) for label in sorted(first_of_label)]
