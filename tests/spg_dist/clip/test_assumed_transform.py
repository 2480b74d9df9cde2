"""What nothing tells about a file of weights is named, and held against what is known of the model's published ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
from open_clip.pretrained import list_pretrained_tags_by_model
from safetensors.torch import save_file

from spg_dist.clip.assumed import ACTIVATION, TRANSFORM, assumption_remark
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip, load_clip

OPENAI = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
ALL_TOLD = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}


@pytest.fixture
def load(tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], tmp_path: Path) -> Callable[..., Clip]:
    """Loads tiny weights from a file with this sidecar next to it."""

    def from_file(sidecar: dict[str, Any] | None) -> Clip:
        state = {name: tensor.detach().clone().contiguous() for name, tensor in tiny_clip().state_dict().items()}
        save_file(state, str(tmp_path / "tiny.safetensors"))
        if sidecar is not None:
            (tmp_path / "open_clip_config.json").write_text(json.dumps(sidecar), encoding="utf-8")
        return load_clip(
            ClipConfig(model=tiny_model_name(), pretrained=str(tmp_path / "tiny.safetensors"), device="cpu")
        )

    return from_file


@pytest.mark.parametrize(
    ("sidecar", "said", "unsaid"),
    [
        (None, "nothing states their mean, std, interpolation and resize_mode: OpenAI's assumed (mean 0.481 0.458", ""),
        (None, "interpolation bicubic, resize_mode shortest)", ""),
        ({"model_cfg": {"quick_gelu": True}}, "nothing states their mean, std", "activation"),
        (
            {"preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}},
            "states their interpolation and resize_mode",
            "0.4",
        ),
        ({"preprocess_cfg": ALL_TOLD}, "do not state their activation, GELU is taken", "nothing states"),
        ({"model_cfg": {}, "preprocess_cfg": ALL_TOLD}, "(file tiny.safetensors)", "state"),
    ],
)
def test_what_a_file_does_not_tell_stands_in_the_clips_name(
    load: Callable[..., Clip], sidecar: dict[str, Any] | None, said: str, unsaid: str
) -> None:
    clip = load(sidecar)
    assert said in clip.name
    assert not unsaid or unsaid not in clip.name
    assert clip.remark == "", "nothing is known of a model without published weights"
    told = (sidecar or {}).get("preprocess_cfg", {})
    for name, value in (OPENAI | told).items():
        assert json.dumps(clip.preprocess[name]) == json.dumps(value)


def test_what_is_known_from_elsewhere_is_not_assumed(tiny_model_name: Callable[..., str]) -> None:
    for config in (ClipConfig(device="cpu"), ClipConfig(tiny_model_name(), "random", device="cpu")):
        clip = load_clip(config)
        assert "state" not in clip.name and clip.remark == ""


@pytest.mark.parametrize(
    ("model", "warned"),
    [
        ("ViT-L-14", "laion2b_s32b_b82k (mean 0.5 0.5 0.5, std 0.5 0.5 0.5)"),
        ("ViT-H-14-378-quickgelu", "dfn5b (resize_mode squash)"),
        ("MobileCLIP-S1", "datacompdr (mean 0 0 0, std 1 1 1, interpolation bilinear)"),
        (
            "ViT-L-14-CLIPA",
            "datacomp1b (mean 0.485 0.456 0.406, std 0.229 0.224 0.225, interpolation bilinear, resize_",
        ),
        ("ViT-B-16-SigLIP", "webli (mean 0.5 0.5 0.5, std 0.5 0.5 0.5, resize_mode squash)"),
        ("PE-Core-B-16", "meta (mean 0.5 0.5 0.5, std 0.5 0.5 0.5, interpolation bilinear, resize_mode squash)"),
        ("ViT-B-16", ""),
        ("convnext_base_w", ""),
    ],
)
def test_published_weights_with_another_transform_are_warned_of(model: str, warned: str) -> None:
    remark = assumption_remark(model, "file x.pt", OPENAI)
    assert warned in remark and bool(remark) == bool(warned)
    if warned:
        cure = json.loads(remark[remark.index("{") :])
        tag = warned.split(" ")[0]
        known = open_clip.get_pretrained_cfg(model, tag)
        assert f"for {tag}:" in remark and "open_clip_config.json next to it" in remark
        assert all(list(known[name]) == list(value) for name, value in cure["preprocess_cfg"].items())


def test_published_weights_with_another_activation_are_warned_of() -> None:
    remark = assumption_remark("ViT-B-16", "file x.pt", {ACTIVATION: False, **OPENAI})
    assert "nothing states its activation; taken: activation GELU." in remark
    assert "openai, dfn2b" in remark and '{"model_cfg": {"quick_gelu": true}}' in remark
    assert assumption_remark("ViT-B-16-quickgelu", "file x.pt", {ACTIVATION: True}) == ""


def test_the_cure_that_a_warning_gives_is_one(load: Callable[..., Clip]) -> None:
    remark = assumption_remark("ViT-L-14-CLIPA", "file x.pt", {ACTIVATION: False, **OPENAI})
    cure = json.loads(remark[remark.index("{") :])
    clip = load(cure)
    assert not any(name in clip.name for name in TRANSFORM)
    assert clip.preprocess["resize_mode"] == "squash" and clip.preprocess["interpolation"] == "bilinear"


def test_every_models_published_weights_can_be_held_against_an_assumption() -> None:
    for model in open_clip.list_models():
        remark = assumption_remark(model, "file x.pt", {ACTIVATION: False, **OPENAI})
        assert not remark or any(tag in remark for tag in list_pretrained_tags_by_model(model))
