"""Bad input ends with one message that names cause and cure, status 1 or 2, and nothing half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bad_input_material import DOMAINS, arguments, failure, half_written
from drawn_material import CLASSES, draw_images

from jobs import full_pipeline


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed by a test."""
    return draw_images(tmp_path_factory.mktemp("drawn") / "set", DOMAINS)


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    """To be spoilt."""
    return draw_images(tmp_path / "own", DOMAINS, each=4)


def write_splits(root: Path, leave_out: Callable[[str, str, int], bool] = lambda *_: False) -> None:
    """Split files in the published form: the first images of each class train, the last is for val."""
    (root / "spg_coop_splits").mkdir()
    for k, domain in enumerate(DOMAINS):
        rows: dict[str, list[list[object]]] = {"train": [], "val": []}
        for label, name in enumerate(CLASSES):
            for i in range(4):
                split = "val" if i == 3 else "train"
                if not leave_out(domain, split, i):
                    rows[split].append([f"{domain}/{name}/{i}.png", label, k, name])
        path = root / "spg_coop_splits" / f"{domain[0]}_train_val_split.json"
        path.write_text(json.dumps({**rows, "test": rows["val"]}))


def nothing_trained(home: Path) -> bool:
    return not list((home / "runs").rglob("*.safetensors")) and not half_written(home)


def test_a_split_file_that_names_absent_images(
    own_images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_splits(own_images)
    (own_images / "photo" / "car" / "2.png").unlink()
    message = failure(arguments(own_images, home), capsys)
    assert "photo/car/2.png" in message and "p_train_val_split.json" in message
    assert nothing_trained(home)


def test_a_class_that_one_domain_does_not_have(
    own_images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_images / "photo" / "fish").rename(own_images / "photo" / "whale")
    message = failure(arguments(own_images, home), capsys)
    assert "whale" in message and "art" in message and "All domains need the same classes" in message
    assert nothing_trained(home)


def test_a_domain_without_val_images(own_images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_splits(own_images, leave_out=lambda domain, split, _: domain == "cartoon" and split == "val")
    message = failure(arguments(own_images, home), capsys)
    assert "cartoon" in message and "no val images" in message
    assert nothing_trained(home)


def test_an_unknown_model_beside_the_nearest_names(
    images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(arguments(images, home, "clip.model=ViT-B-61", "clip.pretrained=random"), capsys)
    assert "'ViT-B-61'" in message and "ViT-B-16" in message
    assert nothing_trained(home)


def test_unknown_weights_beside_the_known_tags(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(arguments(images, home, "clip.model=ViT-B-32", "clip.pretrained=openia"), capsys)
    assert "'openia'" in message and "openai" in message and "clip.pretrained=random" in message


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "weights.bin"])
def test_weights_that_are_no_weights(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_bytes(b"garbage that is no checkpoint" * 50)
    message = failure(arguments(images, home, f"clip.pretrained={tmp_path / name}"), capsys)
    assert name in message and "cannot read weights" in message
    assert nothing_trained(home)


def test_weights_of_another_model(images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"visual.conv1.weight": torch.zeros(3, 3)}, tmp_path / "other.pt")
    message = failure(arguments(images, home, f"clip.pretrained={tmp_path / 'other.pt'}"), capsys)
    assert "other.pt" in message and "tiny-rn" in message


def test_more_unreadable_images_than_allowed(own_images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in CLASSES:
        (own_images / "photo" / name / "0.png").write_bytes(b"")
    message = failure(arguments(own_images, home), capsys)
    assert "3 of 36 images" in message and "1.0%" in message and "0 bytes" in message
    assert nothing_trained(home)


def test_an_unknown_field_ends_with_status_2_and_the_nearest(
    images: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(arguments(images, home, "stage2.learningrate=1"), capsys, status=2)
    assert "stage2.learningrate" in message and "'stage2.learning_rate'" in message
    assert not home.exists()


def test_a_mended_command_may_keep_its_name(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure(arguments(images / "absent", home), capsys)
    full_pipeline.main(arguments(images, home, "methods=[zero-shot]"))
    assert (home / "runs" / "bad" / "results.csv").is_file()


def test_a_root_that_nothing_would_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(["data.root=/my/photos"], capsys, status=2)
    assert "data.dataset=auto" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "clip.device=auto" in failure(arguments(images, home, "clip.device=cuda"), capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_runs_folder_that_cannot_be_written(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "runs").mkdir(parents=True, mode=0o500)
    assert str(home / "runs") in failure(arguments(images, home), capsys)


def test_a_runs_folder_below_a_file(images: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "runs").write_text("a file")
    message = failure(arguments(images, home), capsys)
    assert str(home / "runs") in message and "cannot be made or written" in message and "Errno" not in message
