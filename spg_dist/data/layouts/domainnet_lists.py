"""DomainNet's lists, also Dassl's: `<domain>_{train,test}.txt` next to `<domain>/<class>/<image>`."""

from __future__ import annotations

from spg_dist.data.layouts import Layout
from spg_dist.data.layouts._text_lists import list_files, read_lists
from spg_dist.data.manifest import Split

# Two lists are published. The test list serves as validation list, as in Dassl; a target is tested on all images.
ENDINGS: dict[str, Split] = {"_train.txt": "train", "_test.txt": "val"}

LAYOUT = Layout(
    name="domainnet-lists",
    title="train and test lists (DomainNet's and Dassl's)",
    expects="<root>/<domain>_{train,test}.txt (or in <root>/splits) and <root>/<domain>/<class>/<image>",
    rank=30,
    matches=lambda folder: bool(list_files(folder, ENDINGS)),
    read=lambda folder: read_lists(folder, ENDINGS),
    serves_folder=False,
    splits_next_to_images=True,
)
