"""DomainBed's layout and the generic one: `<domain>/<class>/<image>`, beneath `images/` or directly."""

from __future__ import annotations

from pathlib import Path

from spg_dist.data.class_walk import ClassWalk
from spg_dist.data.image_files import domain_folders, has_image, image_base, subfolders
from spg_dist.data.layouts import Layout, Listing


def _matches(folder: Path) -> bool:
    base, _ = image_base(folder)
    return any(
        has_image(base / domain / class_folder)
        for domain in domain_folders(base)
        for class_folder in subfolders(base / domain)
    )


def _read(folder: Path) -> Listing:
    walk = ClassWalk(*image_base(folder))
    images = [image for domain in walk.domains() for image in walk.images(f"{domain}/")]
    return Listing(folder, images, rows=None, splits="", passed_over=tuple(walk.passed_over))


LAYOUT = Layout(
    name="class-folders",
    title="class folders (DomainBed's or any)",
    expects="<root>/<domain>/<class>/<image>, or the same beneath <root>/images",
    rank=50,
    matches=_matches,
    read=_read,
)
