"""Dassl's PACS: `splits/<domain>_{train,crossval,test}_kfold.txt` next to `images/<domain>/<class>/<image>`."""

from __future__ import annotations

from spg_dist.data.layouts import Layout
from spg_dist.data.layouts._text_lists import list_files, read_lists
from spg_dist.data.manifest import Split

ENDINGS: dict[str, Split] = {"_train_kfold.txt": "train", "_crossval_kfold.txt": "val", "_test_kfold.txt": "test"}

LAYOUT = Layout(
    name="kfold-lists",
    title="k-fold lists (Dassl's PACS)",
    expects="<root>/splits/<domain>_{train,crossval}_kfold.txt and <root>/images/<domain>/<class>/<image>",
    rank=20,
    matches=lambda folder: bool(list_files(folder, ENDINGS)),
    read=lambda folder: read_lists(folder, ENDINGS),
    serves_folder=False,
    splits_next_to_images=True,
)
