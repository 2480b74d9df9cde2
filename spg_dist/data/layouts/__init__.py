"""The layouts in which people have the data sets, in the order in which they are tried."""

from spg_dist.data.layouts.class_folders import CLASS_FOLDERS
from spg_dist.data.layouts.listing import FoundImage, Layout, Listing, PassedOver, SplitRow
from spg_dist.data.layouts.spg_splits import SPG_SPLITS
from spg_dist.data.layouts.split_folders import SPLIT_FOLDERS
from spg_dist.data.layouts.text_lists import DOMAINNET_LISTS, KFOLD_LISTS

LAYOUTS: tuple[Layout, ...] = (SPG_SPLITS, KFOLD_LISTS, DOMAINNET_LISTS, SPLIT_FOLDERS, CLASS_FOLDERS)
FOLDER_LAYOUTS: tuple[Layout, ...] = (SPG_SPLITS, CLASS_FOLDERS)
# Those whose split files lie next to a folder `images/`.
SPLITS_NEXT_TO_IMAGES: tuple[Layout, ...] = (SPG_SPLITS, KFOLD_LISTS, DOMAINNET_LISTS)

__all__ = [
    "FOLDER_LAYOUTS",
    "LAYOUTS",
    "SPLITS_NEXT_TO_IMAGES",
    "FoundImage",
    "Layout",
    "Listing",
    "PassedOver",
    "SplitRow",
]
