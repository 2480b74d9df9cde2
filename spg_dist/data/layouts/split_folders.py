"""Dassl's folders for VLCS and OfficeHome-DG: `<domain>/<split>/<class>/<image>`."""

from __future__ import annotations

from pathlib import Path

from spg_dist.data.class_walk import ClassWalk
from spg_dist.data.image_files import domain_folders, image_base, subfolders
from spg_dist.data.layouts import Layout, Listing
from spg_dist.data.manifest import Split

SPLIT_OF_FOLDER: dict[str, Split] = {"train": "train", "crossval": "val", "val": "val", "test": "test"}


def _splits_of(present: set[str]) -> dict[str, Split]:
    """Which of the folders present in a domain to read, as which split.

    VLCS's `full` is train and crossval once more, so it is read only where those are not there; then, as in the SPG
    authors' published files, `full` is train and `test` is val.
    """
    if "full" in present and not {"train", "crossval"} <= present:
        return {"full": "train", **({"test": "val"} if "test" in present else {})}
    return {name: split for name, split in SPLIT_OF_FOLDER.items() if name in present}


def _matches(folder: Path) -> bool:
    base, _ = image_base(folder)
    known = {"full", *SPLIT_OF_FOLDER}
    domains = [set(subfolders(base / domain)) for domain in domain_folders(base)]
    # Every folder of every domain must be a split: "train" alone may well be a class (DomainNet has it).
    return any(domains) and all(splits <= known for splits in domains)


def _read(folder: Path) -> Listing:
    walk = ClassWalk(*image_base(folder))
    images = [
        image
        for domain in walk.domains()
        for split_folder, split in _splits_of(set(walk.folders(f"{domain}/"))).items()
        for image in walk.images(f"{domain}/{split_folder}/", split)
    ]
    splits = "published folders <domain>/<split>/<class>"
    return Listing(folder, images, rows=None, splits=splits, passed_over=tuple(walk.passed_over))


LAYOUT = Layout(
    name="split-folders",
    title="split folders (Dassl's VLCS and OfficeHome-DG)",
    expects="<root>/<domain>/{train,crossval or val,test}/<class>/<image>",
    rank=40,
    matches=_matches,
    read=_read,
    serves_folder=False,  # a class of one's own may be called "train"
)
