"""Weights with NaN or infinity, wherever they come from and whatever they belong to, are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from jobs import full_pipeline
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import load_clip
from spg_dist.embedded import tiny_clip_files

NAN, INFINITY = float("nan"), float("inf")
PLACES = {
    "image side": "visual.attnpool.c_proj.weight",
    "a batch norm's statistics": "visual.bn1.running_var",
    "text side": "transformer.resblocks.0.mlp.c_fc.bias",
    "token embeddings": "token_embedding.weight",
    "logit scale": "logit_scale",
}


@pytest.fixture
def state() -> dict[str, Tensor]:
    """The embedded CLIP's weights, in fp32."""
    return {name: tensor.float() for name, tensor in load_file(str(tiny_clip_files()[1])).items()}


def spoilt(state: dict[str, Tensor], name: str, value: float, count: int = 1) -> dict[str, Tensor]:
    tensor = state[name].clone()
    tensor.view(-1)[-count:] = value
    return {**state, name: tensor}


def stored(path: Path, state: dict[str, Tensor]) -> ClipConfig:
    if path.suffix == ".safetensors":
        save_file(state, str(path))
    else:
        torch.save(state, path)
    (path.parent / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    return ClipConfig(model="tiny-rn", pretrained=str(path), device="cpu")


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("name", PLACES.values(), ids=PLACES)
def test_they_are_refused_with_the_tensors_name(
    state: dict[str, Tensor], name: str, value: float, tmp_path: Path
) -> None:
    with pytest.raises(
        ValueError, match=rf"file x\.safetensors\) holds values that are NaN or infinite: {name} \(1 of"
    ):
        load_clip(stored(tmp_path / "x.safetensors", spoilt(state, name, value)))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_whatever_their_format_and_type(
    state: dict[str, Tensor], suffix: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    config = stored(
        tmp_path / f"x{suffix}", {n: t.to(dtype) for n, t in spoilt(state, "text_projection", NAN, 5).items()}
    )
    with pytest.raises(ValueError, match=r"text_projection \(5 of 8,192\)"):
        load_clip(config)


def test_many_spoilt_tensors_are_counted(state: dict[str, Tensor], tmp_path: Path) -> None:
    every = {name: torch.full_like(tensor, NAN) for name, tensor in state.items()}
    with pytest.raises(ValueError, match=r"and \d+ more tensors\. No feature") as raised:
        load_clip(stored(tmp_path / "x.pt", every))
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("scale", [89.0, 1000.0])
def test_a_logit_scale_without_a_finite_exponential_is_refused(
    state: dict[str, Tensor], scale: float, tmp_path: Path
) -> None:
    config = stored(tmp_path / "x.pt", spoilt(state, "logit_scale", scale))
    with pytest.raises(ValueError, match=rf"logit_scale of {scale:g}, whose exponential is infinite"):
        load_clip(config)


def test_values_so_large_that_their_sum_is_infinite_are_numbers(state: dict[str, Tensor], tmp_path: Path) -> None:
    clip = load_clip(stored(tmp_path / "x.pt", spoilt(state, "token_embedding.weight", 3e38, 64)))
    assert clip.model.token_embedding.weight.sum().isinf()


def test_a_causal_mask_is_infinite_by_right(state: dict[str, Tensor], tmp_path: Path) -> None:
    assert load_clip(stored(tmp_path / "x.pt", state)).model.attn_mask.isinf().any()


def test_a_job_ends_in_one_line_before_it_writes(
    state: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = stored(tmp_path / "x.pt", spoilt(state, "visual.conv1.weight", NAN))
    with pytest.raises(SystemExit) as ended:
        full_pipeline.main(
            [
                "name=bad",
                "execution.backend=local",
                "clip.model=tiny-rn",
                f"clip.pretrained={config.pretrained}",
                f"runs={tmp_path / 'runs'}",
                f"cache.root={tmp_path / 'cache'}",
            ]
        )
    assert "visual.conv1.weight (1 of" in str(ended.value) + capsys.readouterr().err
    assert not list(tmp_path.rglob("*.arrow"))
