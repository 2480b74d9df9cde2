"""Runs with published prompt labels in place of stage 1."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from drawn_material import draw_images
from experiment_material import arguments, outcome, run

METHODS = ("methods=[spg]", "targets=[sketch]")


def write_labels(folder: Path, width: int, letters: str = "aps", n_ctx: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, letter in enumerate(letters):
        random = torch.Generator().manual_seed(number)
        torch.save((0.02 * torch.randn(n_ctx, width, generator=random)).half(), folder / f"X_{letter}.pt")
    return folder


def refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        run(given)
    assert caught.value.code == 1
    return capsys.readouterr().err.strip()


def test_imported_labels_replace_stage_1_and_the_summary_says_so(images: Path, home: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels", 64, letters="ap")  # none for the target: it is not asked for
    folder = run(arguments(images, home, "name=imported", f"prompt_labels={labels}", *METHODS))
    assert not (folder.root / "prompt_labels").exists()
    assert str(labels) in folder.summary.read_text()
    assert set(outcome(folder).tensors) == {"generators/multi-source-sketch-seed1.safetensors"}


def test_other_labels_at_the_same_place_train_the_generator_anew(images: Path, home: Path, tmp_path: Path) -> None:
    """Rows of one label swapped: the sum of its values, a careless fingerprint, stays the same."""
    labels = write_labels(tmp_path / "labels", 64)
    given = arguments(images, home, "name=swapped", f"prompt_labels={labels}", *METHODS)
    first = outcome(run(given))
    label = torch.load(labels / "X_p.pt", weights_only=True)
    torch.save(label[[1, 0, 2, 3]], labels / "X_p.pt")
    assert first.differences(outcome(run(given)))


def test_labels_of_another_width_are_refused(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = write_labels(tmp_path / "labels", 512)
    message = refused(arguments(images, home, "name=wide", f"prompt_labels={labels}", *METHODS), capsys)
    assert "has width 512" in message and "has 64" in message and message.count("\n") == 0


def test_a_source_without_a_label_is_refused(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = write_labels(tmp_path / "labels", 64, letters="a")
    message = refused(arguments(images, home, "name=absent", f"prompt_labels={labels}", *METHODS), capsys)
    assert "0 files *_p.pt" in message and "'photo'" in message


def test_labels_of_unequal_length_are_refused(
    images: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels(tmp_path / "labels", 64, letters="a")
    labels = write_labels(tmp_path / "labels", 64, letters="p", n_ctx=3)
    message = refused(arguments(images, home, "name=unequal", f"prompt_labels={labels}", *METHODS), capsys)
    assert "different shapes" in message and "(4, 64)" in message and "(3, 64)" in message


def test_the_papers_own_labels_train_a_generator(shared_dir: Path, home: Path, tmp_path: Path) -> None:
    """With a text tower of the paper's width, 512, and random weights: the files' form is what is tested."""
    config = {
        "embed_dim": 128,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 1},
    }
    path = tmp_path / "width-of-the-paper.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    labels = shared_dir / "prompt_labels" / "PACS" / "ViT-B16" / "seed_1"
    root = draw_images(tmp_path / "set", domains=("art", "cartoon", "photo", "sketch"), classes=("boat", "car"), each=4)
    settings = ("name=paper", "clip.model=width-of-the-paper", "clip.pretrained=random", f"prompt_labels={labels}")
    folder = run(arguments(root, home, *settings, *METHODS))
    generator = outcome(folder).tensors["generators/multi-source-sketch-seed1.safetensors"]
    assert generator["model.5.bias"].shape == (4 * 512,)
