"""Every image tower that open_clip knows is used as it is, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from open_clip.factory import get_model_config
from open_clip.model import _build_vision_tower
from PIL import Image

from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip, _feature_width, load_clip
from spg_dist.clip.quick_import import needed
from spg_dist.clip.text_tower import text_tower
from spg_dist.encode.transform import ImageTransform

RESNET = {"layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None}
COCA = {
    "custom_text": True,
    "vision_cfg": {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": {"embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"context_length": 28, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def timm(model: str, **more: Any) -> dict[str, Any]:
    return {"vision_cfg": {"image_size": 160, "timm_model_name": model, **more}}


TOWERS = {
    "transformer": {},
    "transformer of wide images": {"vision_cfg": {"image_size": [32, 48]}},
    "resnet": {"vision_cfg": RESNET},
    "CLIPA's": {"vision_cfg": {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}},
    "CoCa's": COCA,
    "timm, linear projection (ConvNeXt)": timm("test_convnext", timm_pool="", timm_proj="linear"),
    "timm, two-layer projection": timm("test_convnext", timm_pool="", timm_proj="mlp"),
    "timm, class token (EVA02)": timm("test_vit", timm_pool="token", timm_proj=None),
    "timm, mean (MobileCLIP)": timm("test_efficientnet", timm_pool="avg", timm_proj=None),
    "timm, attention pool (SigLIP)": {"embed_dim": 64, **timm("test_vit", timm_pool="map", timm_proj="none")},
}
PUBLISHED = (  # one of each kind of tower, at its full size
    "RN50", "ViT-B-32", "coca_ViT-B-32", "ViT-L-14-CLIPA", "convnext_tiny", "swin_base_patch4_window7_224",
    "vit_relpos_medium_patch16_cls_224", "EVA02-B-16", "MobileCLIP-S1", "PE-Core-T-16-384", "ViT-B-16-SigLIP",
    "ViTamin-S",
)  # fmt: skip


def load(model: str) -> Clip:
    return load_clip(ClipConfig(model=model, pretrained="random", device="cpu"))


@pytest.mark.parametrize("tower", TOWERS)
def test_a_tower_of_any_kind_encodes_images_of_its_size(tower: str, tiny_model_name: Callable[..., str]) -> None:
    clip = load(tiny_model_name(**TOWERS[tower]))
    transform = ImageTransform(clip.preprocess)
    pixels = transform(Image.effect_noise((70, 50), 60).convert("RGB"), "")
    features_1D = clip.model.encode_image(pixels[None])
    assert features_1D.shape == (1, clip.feature_width) == (1, TOWERS[tower].get("embed_dim", 32))
    assert tuple(pixels.shape[1:]) == transform.size == tuple(torch.tensor(clip.preprocess["size"]).expand(2).tolist())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_width_of_published_towers_is_found(name: str) -> None:
    needed("timm")
    config = get_model_config(name)
    with torch.device("meta"):
        tower = _build_vision_tower(config["embed_dim"], config["vision_cfg"]).eval()
    assert _feature_width(name, tower, tower.image_size) == config["embed_dim"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"vision_cfg": {"timm_model_name": "vit_tiny_patch16_224", "image_size": 96}},
            r"cannot take images of 96 x 96 pixels.*image_size",
        ),
        (timm("no_such_tower"), r"cannot be built: .*no_such_tower"),
        ({"vision_cfg": {"colour": 3}}, r"cannot be built: .*unexpected keyword argument 'colour'"),
        (timm("test_convnext", timm_pool="", timm_proj="none"), r"makes \(1, .*\) of an image, expected one feature"),
    ],
)
def test_a_tower_that_cannot_be_used_is_refused_in_one_line(
    changes: dict[str, Any], message: str, tiny_model_name: Callable[..., str]
) -> None:
    with pytest.raises(ValueError, match=rf"clip\.model=test-tiny-\w+ {message}") as raised:
        load(tiny_model_name(**changes))
    assert "\n" not in str(raised.value)


def test_texts_with_a_token_of_their_own_are_for_hand_written_prompts_alone(
    tiny_model_name: Callable[..., str],
) -> None:
    clip = load(tiny_model_name(**COCA))
    assert clip.model.encode_text(clip.tokenizer(["a photo of a dog."])).shape == (1, clip.feature_width)
    with pytest.raises(ValueError, match=r"TextTransformer\) takes no soft prompts"):
        text_tower(clip.model)


def test_finding_the_width_changes_nothing_about_a_tower(tiny_clip: Callable[..., Any]) -> None:
    tower = tiny_clip(vision_cfg=RESNET).visual
    before = {name: (tensor.device, tensor.clone()) for name, tensor in tower.state_dict().items()}
    _feature_width("tiny", tower, 32)
    assert all(t.device == before[n][0] and torch.equal(t, before[n][1]) for n, t in tower.state_dict().items())
