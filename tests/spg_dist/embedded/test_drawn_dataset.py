"""The drawn data set: reproducible images, the promised layout and splits, nothing half-done, foreign folders kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spg_dist.data import DataConfig, load_manifest
from spg_dist.embedded import DRAWN_CLASSES, DRAWN_DOMAINS, dataset, write_drawn_dataset
from spg_dist.embedded.drawing import RENDERERS, draw
from spg_dist.embedded.shapes import DRAWERS


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_dataset(tmp_path_factory.mktemp("drawn") / "set", images_per_class=10, seed=5)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(folder: Path, domain: str) -> dict[str, list[list[object]]]:
    text = (folder / "spg_coop_splits" / f"{domain[0]}_train_val_split.json").read_text()
    content: dict[str, list[list[object]]] = json.loads(text)
    return content


def test_every_class_and_domain_named_can_be_drawn() -> None:
    assert set(DRAWN_CLASSES) == set(DRAWERS) and len(DRAWN_CLASSES) >= 8
    assert set(DRAWN_DOMAINS) == set(RENDERERS) and list(DRAWN_DOMAINS) == sorted(DRAWN_DOMAINS)
    assert len({domain[0] for domain in DRAWN_DOMAINS}) == 4, "split files are named by the first letter"


@pytest.mark.parametrize("domain", DRAWN_DOMAINS)
@pytest.mark.parametrize("class_name", DRAWN_CLASSES)
def test_an_image_depends_on_class_domain_seed_and_index_only(class_name: str, domain: str) -> None:
    image = draw(class_name, domain, 1, 3)
    assert image.size == (96, 96) and image.mode == "RGB"
    assert image.tobytes() == draw(class_name, domain, 1, 3).tobytes()
    assert image.tobytes() != draw(class_name, domain, 1, 4).tobytes()
    assert image.tobytes() != draw(class_name, domain, 2, 3).tobytes()


def test_domains_differ_in_colour() -> None:
    def saturation(domain: str) -> float:
        images = [np.asarray(draw(c, domain, 1, 0).convert("HSV"))[:, :, 1].mean() for c in DRAWN_CLASSES]
        return float(np.mean(images))

    assert saturation("sketch") < 30 < saturation("photo") < saturation("cartoon")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'giraffe'.*boat"):
        draw("giraffe", "photo", 1, 0)
    with pytest.raises(ValueError, match=r"'fresco'.*art"):
        draw("cat", "fresco", 1, 0)


def test_the_same_seed_gives_the_same_bytes_in_another_process(drawn: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    program = (
        "import sys; from pathlib import Path; from spg_dist.embedded import write_drawn_dataset; "
        "write_drawn_dataset(Path(sys.argv[1]), images_per_class=10, seed=5); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(again)], check=True, timeout=60)
    assert digests(again) == digests(drawn)


def test_more_images_leave_the_first_ones_as_they_are(drawn: Path, tmp_path: Path) -> None:
    larger, smaller = digests(drawn), digests(write_drawn_dataset(tmp_path / "small", images_per_class=4, seed=5))
    assert all(larger[path] == digest for path, digest in smaller.items() if path.endswith(".png"))


def test_splits_hold_each_image_once_seventy_to_thirty(drawn: Path) -> None:
    for domain_index, domain in enumerate(DRAWN_DOMAINS):
        splits = rows(drawn, domain)
        train, val = ({str(row[0]) for row in splits[name]} for name in ("train", "val"))
        on_disk = {path.relative_to(drawn).as_posix() for path in (drawn / domain).rglob("*.png")}
        assert splits["test"] == splits["val"]
        assert not train & val and train | val == on_disk and len(on_disk) == 10 * len(DRAWN_CLASSES)
        assert Counter(row[1] for row in splits["train"]) == dict.fromkeys(range(len(DRAWN_CLASSES)), 7)
        for path, label, domain_of_row, class_name in splits["train"] + splits["val"]:
            assert domain_of_row == domain_index and class_name == DRAWN_CLASSES[int(str(label))]
            assert str(path).startswith(f"{domain}/{class_name}/")


def test_images_on_disk_decode_to_the_drawn_pixels(drawn: Path) -> None:
    with Image.open(drawn / "sketch" / "cat" / "007.png") as image:
        assert image.tobytes() == draw("cat", "sketch", 5, 7).tobytes()


def test_no_image_is_drawn_twice(drawn: Path) -> None:
    images = [digest for path, digest in digests(drawn).items() if path.endswith(".png")]
    assert len(set(images)) == len(images) == 10 * len(DRAWN_CLASSES) * len(DRAWN_DOMAINS)


def test_an_existing_complete_folder_is_left_untouched(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    assert write_drawn_dataset(drawn, images_per_class=10, seed=5) == drawn
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


@pytest.mark.parametrize(("images", "seed", "named"), [(11, 5, "images_per_class=11"), (10, 6, "seed=6")])
def test_other_parameters_are_refused(drawn: Path, images: int, seed: int, named: str) -> None:
    with pytest.raises(ValueError, match=f"other parameters.*{named}"):
        write_drawn_dataset(drawn, images_per_class=images, seed=seed)


def test_a_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(ValueError, match=r"not a drawn data set.*another folder"):
        write_drawn_dataset(tmp_path, images_per_class=4)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


def test_a_lost_image_is_reported(tmp_path: Path) -> None:
    folder = write_drawn_dataset(tmp_path / "set", images_per_class=4)
    (folder / "photo" / "car" / "002.png").unlink()
    with pytest.raises(ValueError, match=r"1 files.*photo/car/002\.png"):
        write_drawn_dataset(folder, images_per_class=4)


def test_an_unreadable_record_is_reported(tmp_path: Path) -> None:
    (tmp_path / dataset.RECORD_NAME).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        write_drawn_dataset(tmp_path, images_per_class=4)


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="images_per_class is 3"):
        write_drawn_dataset(tmp_path / "set", images_per_class=3)


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_before_the_key = 50

    def interrupted(class_name: str, domain: str, seed: int, index: int) -> Image.Image:
        nonlocal drawn_before_the_key
        drawn_before_the_key -= 1
        if drawn_before_the_key == 0:
            raise KeyboardInterrupt
        return draw(class_name, domain, seed, index)

    monkeypatch.setattr(dataset, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_drawn_dataset(tmp_path / "set", images_per_class=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "shown"), [(None, "drawn"), ("mine", "mine")])
def test_it_is_loaded_as_any_other_and_drawn_into_the_home_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, shown: str
) -> None:
    monkeypatch.setenv("SPG_HOME", str(tmp_path))
    manifest = load_manifest(DataConfig(images_per_class=4, name=name), tmp_path / "splits")
    assert (manifest.dataset, manifest.root) == (shown, tmp_path / "data" / "drawn-4")
    assert (manifest.domains, manifest.class_names) == (DRAWN_DOMAINS, DRAWN_CLASSES)
    assert len(manifest.images) == 4 * len(DRAWN_DOMAINS) * len(DRAWN_CLASSES)
    assert manifest.splits_source == "the embedded data set's own, drawn with its images"
    assert not (tmp_path / "splits").exists()
