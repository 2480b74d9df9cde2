"""DomainBed's layout and the generic one: `<domain>/<class>/<image>`, beneath `images/` or directly."""

from __future__ import annotations

from pathlib import Path

from spg_dist.data.layouts.listing import (
    FoundImage,
    Layout,
    Listing,
    domain_folders,
    has_image,
    image_base,
    image_files,
    subfolders,
)


def _matches(folder: Path) -> bool:
    base, _ = image_base(folder)
    return any(
        has_image(base / domain / class_folder)
        for domain in domain_folders(base)
        for class_folder in subfolders(base / domain)
    )


def _read(folder: Path) -> Listing:
    base, prefix = image_base(folder)
    images = [
        FoundImage(f"{prefix}{domain}/{class_folder}/{name}", domain, class_folder, None)
        for domain in domain_folders(base)
        for class_folder in subfolders(base / domain)
        for name in image_files(base / domain / class_folder)
    ]
    return Listing(root=folder, images=images, rows=None, splits="")


CLASS_FOLDERS = Layout(
    name="class folders (DomainBed's or any)",
    expects="<root>/<domain>/<class>/<image>, or the same beneath <root>/images",
    matches=_matches,
    read=_read,
)
