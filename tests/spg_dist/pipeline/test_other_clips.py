"""Whole runs on CLIPs of other kinds than OpenAI's: timm's image towers, SigLIP, CoCa, weights that tell little."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from experiment_material import arguments, run
from safetensors.torch import save_file

from spg_dist.clip.quick_import import needed
from spg_dist.evaluation.results import read_results

TEXT = {"context_length": 28, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CONVNEXT = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 160, "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear"},
    "text_cfg": TEXT,
}
COCA = {
    "embed_dim": 32,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 32,
        "layers": 1,
        "width": 32,
        "head_width": 16,
        "patch_size": 16,
        "output_tokens": True,
    },
    "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"context_length": 28, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
NO_PROMPT = ("zero-shot", "zero-shot-ensemble", "linear-probe")
ONE_EPOCH = ("targets=[art]", "coop.epochs=1", "stage1.epochs=1", "stage2.epochs=1", "linear_probe.epochs=1")


def weights(folder: Path, name: str, config: dict[str, Any]) -> list[str]:
    """Registers a model with open_clip; returns the settings that take it, with weights in a file."""
    (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(folder / f"{name}.json")
    needed("timm")
    torch.manual_seed(1)
    state = open_clip.create_model(name).state_dict()
    tensors = {key: tensor.nan_to_num().contiguous().clone() for key, tensor in state.items()}
    save_file(tensors, str(folder / f"{name}.safetensors"))
    return [f"clip.model={name}", f"clip.pretrained={folder / name}.safetensors"]


def test_a_timm_tower_from_images_to_the_table(images: Path, tmp_path: Path) -> None:
    given = weights(tmp_path, "test-convnext-clip", CONVNEXT)
    folder = run(arguments(images, tmp_path, *given, *ONE_EPOCH, "name=timm", "methods=[zero-shot,coop,spg]"))
    assert {row.method for row in read_results(folder.results)} == {"zero-shot", "coop", "spg"}
    for page in (folder.summary, folder.report):
        text = " ".join(page.read_text(encoding="utf-8").replace("&#39;", "'").split())
        assert "nothing states their mean, std, interpolation and resize_mode: OpenAI's assumed" in text


def test_siglip_from_images_to_the_table(images: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="SigLIP's texts need the extra `siglip`")
    from siglip_material import siglip_config, write_tokenizer

    text = {"context_length": 24, "width": 32, "heads": 2, "layers": 1}
    config = siglip_config(write_tokenizer(tmp_path / "tokenizer"), **text)
    given = weights(tmp_path, "test-siglip-clip", copy.deepcopy(config))
    methods = ("zero-shot", "zero-shot-ensemble", "linear-probe", "coop", "spg")
    folder = run(arguments(images, tmp_path, *given, *ONE_EPOCH, "name=siglip", f"methods=[{','.join(methods)}]"))
    assert {row.method for row in read_results(folder.results)} == set(methods)


def test_coca_by_methods_that_learn_no_prompt(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(images, tmp_path, *weights(tmp_path, "test-coca-clip", COCA), *ONE_EPOCH, "name=coca")
    folder = run([*given, f"methods=[{','.join(NO_PROMPT)}]"])
    assert {row.method for row in read_results(folder.results)} == set(NO_PROMPT)
    for method in ("coop", "dpl", "spg"):
        with pytest.raises(SystemExit) as ended:
            run([*given, f"methods=[{method}]", f"name={method}"])
        said = str(ended.value) + capsys.readouterr().err
        assert "takes no soft prompts" in said and "zero-shot" in said
        assert not (tmp_path / "runs" / method).exists()
