"""What lies in a folder of images without being one is passed over, by the job, the check and predict alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_material import CLASSES, DOMAINS, draw_images

from spg_dist.data import DataConfig, check_dataset, load_manifest
from spg_dist.data.image_files import SYSTEM_FOLDERS
from spg_dist.embedded.drawing import draw
from spg_dist.pipeline.prediction import find_images

HIDDEN = (".ipynb_checkpoints", ".Trash-1000", ".thumbnails", "._art")
IMAGES = len(DOMAINS) * len(CLASSES) * 4


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "set", each=4)


def put_image(folder: Path, name: str = "0.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw("car", "photo", 1, 0).save(folder / name)


def seen(root: Path, dataset: str = "folder") -> Iterator[object]:
    """Domains, classes and number of images as the job, the check and predict have them."""
    config = DataConfig(dataset=dataset, root=str(root))
    manifest, report = load_manifest(config, root.parent / "splits"), check_dataset(config)
    yield manifest.domains, manifest.class_names, len(manifest.images)
    yield report.domains, report.class_names, sum(report.images.values())
    yield DOMAINS, CLASSES, len(find_images(root).images)


@pytest.mark.parametrize("place", ["", "art", "art/car"])
@pytest.mark.parametrize("name", [*sorted(SYSTEM_FOLDERS), *HIDDEN])
def test_folders_of_the_system_are_neither_domain_nor_class(images: Path, name: str, place: str) -> None:
    put_image(images / place / name)
    put_image(images / place / name / "car")
    assert list(seen(images)) == [(DOMAINS, CLASSES, IMAGES)] * 3


@pytest.mark.parametrize("dataset", ["auto", "folder"])
@pytest.mark.parametrize("name", ["notes_train.txt", "set_test.txt", "my_train_kfold.txt", "splits/readme_train.txt"])
def test_a_text_file_whose_name_ends_like_a_list_is_none(images: Path, name: str, dataset: str) -> None:
    (images / "splits").mkdir()
    (images / name).write_text("trained on Monday, with a cold\n")
    assert list(seen(images, dataset)) == [(DOMAINS, CLASSES, IMAGES)] * 3


@pytest.mark.parametrize("suffix", [".ppm", ".pgm", ".JPEG", ".tiff"])
def test_predict_takes_every_suffix_that_data_takes(images: Path, suffix: str) -> None:
    (images / "art" / "car" / "0.png").rename(images / "art" / "car" / f"0{suffix}")
    assert list(seen(images)) == [(DOMAINS, CLASSES, IMAGES)] * 3


def test_symbolic_links_are_followed_but_not_back_up(images: Path) -> None:
    (images / "art" / "car").rename(images.parent / "cars")
    (images / "art" / "car").symlink_to(images.parent / "cars")
    (images / "art" / "car" / "up").symlink_to(images)
    assert list(seen(images)) == [(DOMAINS, CLASSES, IMAGES)] * 3


def test_predict_finds_images_at_any_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*map(str, range(12)))
    put_image(deep)
    assert find_images(tmp_path).images == [deep / "0.png"]
