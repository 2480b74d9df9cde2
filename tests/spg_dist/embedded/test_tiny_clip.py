"""The tiny CLIP: the shipped weights do what is promised of them, and the program that makes them still learns."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file

from spg_dist.embedded import DRAWN_CLASSES, DRAWN_DOMAINS, TINY_CLIP_NAME, tiny_clip_files
from spg_dist.embedded.captions import Subject, caption_words, colour_word, sample_caption
from spg_dist.embedded.pretrain import PretrainSettings, contrastive_loss, main, train
from spg_dist.embedded.pretraining_data import STYLE_SHARES, captioned_batch, draw_all
from spg_dist.embedded.zero_shot import load_tiny_clip, zero_shot_accuracy


def test_shipped_weights_leave_something_to_gain_on_every_domain() -> None:
    model, preprocess = load_tiny_clip(*tiny_clip_files())
    accuracies = zero_shot_accuracy(model, preprocess, images_per_class=25, seed=1)
    assert list(accuracies) == list(DRAWN_DOMAINS)
    assert all(0.40 <= accuracy <= 0.95 for accuracy in accuracies.values()), accuracies


def test_shipped_files_are_small_and_name_their_activation() -> None:
    config, weights = tiny_clip_files()
    assert config.stem == weights.stem == TINY_CLIP_NAME
    assert weights.stat().st_size < 10_000_000
    architecture = json.loads(config.read_text())
    with safe_open(str(weights), framework="pt") as stored:
        assert json.loads(stored.metadata()["quick_gelu"]) == architecture["quick_gelu"]
    sidecar = json.loads((weights.parent / "open_clip_config.json").read_text())
    assert sidecar["model_cfg"] == architecture


def test_the_transform_beside_the_weights_is_the_one_open_clip_takes_without_it() -> None:
    config, weights = tiny_clip_files()
    model, _ = load_tiny_clip(config, weights)
    sidecar = json.loads((weights.parent / "open_clip_config.json").read_text())
    size = sidecar["preprocess_cfg"].pop("size")
    loaded = dict(open_clip.get_model_preprocess_cfg(model))
    assert loaded.pop("size") in (size, (size, size))
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in loaded.items()} == sidecar["preprocess_cfg"]


def test_only_tokens_of_captions_have_rows_in_the_shipped_table() -> None:
    table_VW = load_file(tiny_clip_files()[1])["token_embedding.weight"].float()
    open_clip.add_model_config(tiny_clip_files()[0])
    used = open_clip.get_tokenizer(TINY_CLIP_NAME)(caption_words(DRAWN_CLASSES)).unique()
    assert (table_VW[used].norm(dim=1) > 0).all()
    assert int((table_VW.norm(dim=1) > 0).sum()) == len(used) < 200


def test_absent_weights_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.safetensors is missing.*embedded\.pretrain"):
        load_tiny_clip(tiny_clip_files()[0], tmp_path / "none.safetensors")


@pytest.mark.parametrize("domain", DRAWN_DOMAINS)
def test_captions_name_the_class_in_words_that_keep_their_rows(domain: str) -> None:
    rng = np.random.default_rng(0)
    known = {word for caption in caption_words(DRAWN_CLASSES) for word in caption.rstrip(".").split()}
    captions = [sample_caption(Subject("cat", domain, "pink", "small"), rng) for _ in range(200)]
    assert all("cat" in caption for caption in captions)
    assert any("pink" in caption for caption in captions) and any("small" in caption for caption in captions)
    assert {word for caption in captions for word in caption.rstrip(".").split()} <= known


def test_colours_are_named_by_their_hue() -> None:
    seen = {(250, 10, 10): "red", (240, 230, 20): "yellow", (20, 200, 30): "green", (20, 40, 240): "blue"}
    for colour, word in seen.items():
        assert colour_word(colour) == word


def test_the_mix_is_poor_in_some_styles_and_even_in_classes() -> None:
    assert set(STYLE_SHARES) == set(DRAWN_DOMAINS) and math.isclose(sum(STYLE_SHARES.values()), 1)
    drawings = draw_all(images=200, seed=4)
    counts = Counter((subject.class_name, subject.domain) for subject in drawings.subjects)
    assert {counts[name, "photo"] for name in DRAWN_CLASSES} == {16}
    assert {counts[name, "sketch"] for name in DRAWN_CLASSES} == {3}
    assert drawings.images.shape == (len(drawings.subjects), 3, 96, 96)


def test_a_batch_names_each_caption_once() -> None:
    images_BCHW, captions, positions_B = captioned_batch(draw_all(40, seed=4), 32, 64, np.random.default_rng(0))
    assert images_BCHW.shape == (32, 3, 64, 64) and 0 <= images_BCHW.min() <= images_BCHW.max() <= 1
    assert len(set(captions)) == len(captions) and set(positions_B.tolist()) == set(range(len(captions)))


def test_images_that_share_a_caption_are_no_negatives_of_it() -> None:
    texts_UD = torch.eye(2)
    features_BD, positions_B = texts_UD[[0, 0, 1]], torch.tensor([0, 0, 1])
    right = contrastive_loss(features_BD, texts_UD, positions_B, torch.tensor(100.0))
    # What remains is the entropy of a target shared by two images, halved twice: two directions, two captions.
    assert float(right) == pytest.approx(math.log(2) / 4, abs=1e-4)
    wrong = contrastive_loss(features_BD, texts_UD.flip(0), positions_B, torch.tensor(100.0))
    assert float(wrong) > 50


def test_training_lowers_the_loss_and_exports_loadable_weights(tmp_path: Path) -> None:
    settings = PretrainSettings(steps=30, images=240, batch=32, log_every_steps=15, held_out_images=1)
    losses = train(settings, tmp_path)
    assert len(losses) == 30 and np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    lines = (tmp_path / "tiny-rn-training.csv").read_text().splitlines()
    assert lines[0] == "step,loss,seconds,logit_scale,art,cartoon,photo,sketch" and len(lines) == 3
    model, _ = load_tiny_clip(tiny_clip_files()[0], tmp_path / "tiny-rn.safetensors")
    with torch.inference_mode():
        norms_B = model.encode_image(torch.rand(2, 3, 64, 64), normalize=True).norm(dim=1)
    assert F.l1_loss(norms_B, torch.ones(2)) < 1e-5


def test_the_quick_test_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--steps", "5", "--images", "60", "--batch", "16", "--check-images", "1", "--output", str(tmp_path)])
    assert "sketch" in capsys.readouterr().out and (tmp_path / "tiny-rn.safetensors").is_file()


def test_steps_below_one_end_with_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--steps", "0", "--output", str(tmp_path / "none")])
    assert ended.value.code == 2 and "steps is 0" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
