"""Find the data set's folder under `data.root` and recognise its layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from spg_dist.data.config import DataConfig
from spg_dist.data.datasets import DATASETS, PublishedDataset, published, recognise, spaced
from spg_dist.data.errors import DatasetError
from spg_dist.data.image_files import subfolders, walk_images
from spg_dist.data.layouts import Layout, Listing, layouts_for
from spg_dist.file_names import require_utf8, to_text


@dataclass(frozen=True)
class FoundDataset:
    """A data set's folder as listed by the layout that fits.

    Arguments:
        name: for results.
        layout: the layout's title.
        listing: the images and split rows, under their names on disk.
        published: what is known of it, None for a folder of the user's own.
        may_lack_classes: whether a domain may have no images of a class that another one has.
    """

    name: str
    layout: str
    listing: Listing
    published: PublishedDataset | None
    may_lack_classes: bool = False

    def domain(self, folder: str) -> str | None:
        """The domain's name in the manifest; None if the published data set has no such domain."""
        return self.published.canonical_domain(folder) if self.published else folder

    def class_name(self, folder: str) -> str:
        """The class's name in the manifest."""
        return self.published.class_name(folder) if self.published else spaced(folder)

    def without_rows(self) -> FoundDataset:
        """The same folder as if it had no split files."""
        return replace(self, listing=replace(self.listing, rows=None))

    def domain_folders(self) -> list[str]:
        """Sorted names of the domains' folders that hold images or have split rows."""
        rows = self.listing.rows or []
        return sorted({image.domain for image in self.listing.images} | {row.domain for row in rows})


def find_dataset(config: DataConfig) -> FoundDataset:
    """List the data set of a configuration; `root` may be its folder, the folder that holds it, or its `images/`.

    Raises:
        DatasetError: no such root, no images, no known layout, or several data sets to choose from.
    """
    root = _with_splits(_existing_root(config), config)
    found = [f for folder in _candidates(root, config) if (f := _list(folder, config)) is not None]
    # The root itself comes first: where it is a data set, its subfolders are not searched for another.
    if found and found[0].listing.root == root:
        return found[0]
    if len(found) > 1:
        folders = ", ".join(f.listing.root.name for f in found)
        raise DatasetError(f"data.root {root} holds several data sets ({folders}): give the folder of one of them")
    if found:
        return found[0]
    raise _not_found(root, config)


def _existing_root(config: DataConfig) -> Path:
    root = Path(config.root).expanduser().absolute()
    if not root.exists():
        raise DatasetError(f"{root} does not exist: expected {_wanted(config)} as data.root")
    if not root.is_dir():
        raise DatasetError(f"{root} is a file: expected {_wanted(config)} as data.root")
    return root


def _with_splits(root: Path, config: DataConfig) -> Path:
    """The folder above, where the root is an `images/` whose published splits lie there: they are used, not drawn."""
    layouts = [layout for layout in layouts_for(config.dataset) if layout.splits_next_to_images]
    if root.name == "images" and any(layout.matches(root.parent) for layout in layouts):
        return root.parent
    return root


def _wanted(config: DataConfig) -> str:
    named = published(config.dataset)
    return f"the folder of {named.title}" if named else "a folder <domain>/<class>/<images>, or of a published data set"


def _candidates(root: Path, config: DataConfig) -> list[Path]:
    """The root, then those of its folders whose name is one that the data set has in circulation."""
    if config.dataset == "folder":
        return [root]
    named = published(config.dataset)
    sought = [named] if named else list(DATASETS)
    return [root, *(root / name for name in subfolders(root) if any(dataset.is_called(name) for dataset in sought))]


def _list(folder: Path, config: DataConfig) -> FoundDataset | None:
    layout = _layout(folder, config)
    if layout is None:
        return None
    listing = _in_text(layout.read(folder))
    dataset = published(config.dataset)
    if config.dataset == "auto":
        classes = {image.class_folder for image in listing.images}
        dataset = recognise({image.domain for image in listing.images}, classes)
    name = config.name or (dataset.title if dataset else folder.name)
    found = FoundDataset(name, layout.title, listing, dataset, config.allow_absent_classes and dataset is None)
    # A folder of another data set, or the folder above, is not the one that was named.
    if not any(found.domain(domain) for domain in found.domain_folders()):
        return None
    return found


def _in_text(listing: Listing) -> Listing:
    """The listing with names that every file can hold; rows of split files are text already."""
    require_utf8(str(listing.root), "data.root")
    for domain in {image.domain for image in listing.images}:
        require_utf8(domain, "the domain folder")
    for class_folder in {image.class_folder for image in listing.images}:
        require_utf8(class_folder, "the class folder")
    return replace(
        listing,
        images=[image._replace(path=to_text(image.path)) for image in listing.images],
        passed_over=tuple(passed._replace(path=to_text(passed.path)) for passed in listing.passed_over),
    )


def _layout(folder: Path, config: DataConfig) -> Layout | None:
    return next((layout for layout in layouts_for(config.dataset) if layout.matches(folder)), None)


def _not_found(root: Path, config: DataConfig) -> DatasetError:
    if next(walk_images(root), None) is None:
        return DatasetError(f"no images at all under {root}: check data.root, or unpack the data set there")
    sought = "; ".join(layout.expects for layout in layouts_for(config.dataset))
    named = published(config.dataset)
    domains = f", with the domains {', '.join(named.domains)}" if named else ""
    seen = ", ".join(subfolders(root)[:8]) or "no folders"
    layout = "known layout" if config.dataset == "auto" else f"layout known for {config.dataset!r}"
    return DatasetError(
        f"{root} is in no {layout}. It holds {seen}. Looked for: {sought}{domains}. "
        "Rearrange the folder, or give another data.root"
    )
