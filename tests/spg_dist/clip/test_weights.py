"""Weights: what cannot be used is refused with its cause; what is used is known by its content."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import load_clip, pick_device


def cpu(model: str, pretrained: str, **more: Any) -> ClipConfig:
    return ClipConfig(model=model, pretrained=str(pretrained), device="cpu", **more)


def state_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}


@pytest.fixture
def trained(tiny_clip: Callable[..., Any], tmp_path: Path) -> Path:
    """A safetensors file of tiny weights."""
    path = tmp_path / "tiny.safetensors"
    save_file(state_of(tiny_clip()), str(path))
    return path


def test_an_unknown_model_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ValueError, match=r"clip\.model='ViT-B-23' is not known.*ViT-B-32"):
        load_clip(cpu("ViT-B-23", "random"))
    with pytest.raises(ValueError, match=r"clip\.model='hf-hub:some/model' names a place"):
        load_clip(cpu("hf-hub:some/model", "random"))


def test_an_unknown_tag_is_refused_with_the_nearest_one_and_all_of_them() -> None:
    with pytest.raises(ValueError, match=r"'opneai' is neither a tag.*did you mean openai\?.*Tags of RN50: .*yfcc15m"):
        load_clip(cpu("RN50", "opneai"))


def test_an_absent_file_is_refused_with_its_whole_path(tmp_path: Path, tiny_model_name: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match=rf"nor a file at {tmp_path}/none\.pt.*clip\.pretrained=random"):
        load_clip(cpu(tiny_model_name(), str(tmp_path / "none.pt")))


def test_the_embedded_weights_belong_to_the_embedded_model() -> None:
    with pytest.raises(ValueError, match=r"clip\.model is RN50: the embedded weights belong to tiny-rn"):
        load_clip(cpu("RN50", "embedded"))


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.bin"])
@pytest.mark.parametrize("content", [b"", b"no weights at all, but more than eight bytes", b"PK\x03\x04 broken zip"])
def test_a_garbage_file_is_refused_by_name(
    tmp_path: Path, tiny_model_name: Callable[..., str], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"cannot read weights from {tmp_path}/{name}: .*Expected safetensors"):
        load_clip(cpu(tiny_model_name(), str(tmp_path / name)))


def test_a_truncated_safetensors_file_is_refused(trained: Path, tiny_model_name: Callable[..., str]) -> None:
    trained.write_bytes(trained.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cannot read weights from .*tiny\.safetensors"):
        load_clip(cpu(tiny_model_name(), str(trained)))


class Intruder:
    """What a pickle could run."""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([1, 2], "a list"),
        ({}, "no tensors"),
        ({"state_dict": {}}, "no tensors"),
        ({"epoch": 3}, "'epoch', which is a int"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(
    tmp_path: Path, tiny_model_name: Callable[..., str], content: Any, found: str
) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=rf"x\.pt holds {found}.*model\.state_dict\(\)"):
        load_clip(cpu(tiny_model_name(), str(tmp_path / "x.pt")))


def test_a_pickled_object_is_never_run(tmp_path: Path, tiny_model_name: Callable[..., str]) -> None:
    torch.save({"a": Intruder()}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"cannot read weights from .*x\.pt"):
        load_clip(cpu(tiny_model_name(), str(tmp_path / "x.pt")))


def test_weights_of_another_architecture_are_refused(trained: Path, tiny_model_name: Callable[..., str]) -> None:
    wider = tiny_model_name(text_cfg={"width": 64})
    with pytest.raises(ValueError, match=rf"tiny\.safetensors do not load into {wider}: .*architecture"):
        load_clip(cpu(wider, str(trained)))
    deeper = tiny_model_name(text_cfg={"layers": 4})
    with pytest.raises(ValueError, match=r"do not load into .*Missing key"):
        load_clip(cpu(deeper, str(trained)))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}], ids=["bare", "checkpoint"])
def test_a_state_dict_gives_the_same_model_as_safetensors(
    trained: Path, tmp_path: Path, tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], wrap: Any
) -> None:
    torch.save(wrap(state_of(tiny_clip())), tmp_path / "x.pt")
    from_pt, from_safetensors = (load_clip(cpu(tiny_model_name(), str(path))) for path in (tmp_path / "x.pt", trained))
    assert from_pt.fingerprint == from_safetensors.fingerprint
    assert from_pt.text_fingerprint == from_safetensors.text_fingerprint
    assert not from_pt.random_weights and not from_pt.openai_weights
    assert not any(parameter.requires_grad for parameter in from_pt.model.parameters())


def test_an_activation_that_nothing_states_is_named_in_the_results(
    trained: Path, tiny_model_name: Callable[..., str]
) -> None:
    silent = load_clip(cpu(tiny_model_name(), str(trained)))
    assert "do not state their activation, GELU is taken" in silent.name
    told = load_clip(cpu(tiny_model_name(), str(trained), activation="quick_gelu"))
    assert "activation" not in told.name
    assert told.fingerprint != silent.fingerprint
    assert told.text_fingerprint != silent.text_fingerprint


def test_activation_and_transform_travel_with_the_weights(
    trained: Path, tmp_path: Path, tiny_model_name: Callable[..., str]
) -> None:
    sidecar = {
        "model_cfg": {"quick_gelu": True},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "interpolation": "bilinear"},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(sidecar))
    clip = load_clip(cpu(tiny_model_name(), str(trained)))
    assert json.loads(clip.fingerprint)["activation"] == "quick_gelu"
    assert tuple(clip.preprocess["mean"]) == (0.5, 0.5, 0.5)
    assert clip.preprocess["interpolation"] == "bilinear"
    with pytest.raises(
        ValueError, match=r"clip\.activation=gelu, but file tiny\.safetensors was trained with QuickGELU"
    ):
        load_clip(cpu(tiny_model_name(), str(trained), activation="gelu"))


@pytest.mark.parametrize("content", ["{", "[]", '{"model_cfg": 3}', '{"preprocess_cfg": 3}'])
def test_a_broken_configuration_beside_the_weights_is_named(
    trained: Path, tmp_path: Path, tiny_model_name: Callable[..., str], content: str
) -> None:
    (tmp_path / "open_clip_config.json").write_text(content)
    with pytest.raises(ValueError, match=r"open_clip_config\.json, which tells .* of tiny\.safetensors.*fix it"):
        load_clip(cpu(tiny_model_name(), str(trained)))


def test_a_quickgelu_model_refuses_gelu_weights(
    tiny_clip: Callable[..., Any], tmp_path: Path, tiny_model_name: Callable[..., str]
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_file(state_of(tiny_clip()), str(path), metadata={"quick_gelu": "false"})
    with pytest.raises(ValueError, match=r"computes QuickGELU, but file .* was trained with GELU.*without -quickgelu"):
        load_clip(cpu(tiny_model_name(quick_gelu=True), str(path)))


def test_weights_that_must_be_fetched_without_a_network_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("open_clip.factory.CLIP", small_clip)
    with pytest.raises(ValueError, match=r"cannot fetch open_clip tag laion2b_s34b_b79k of ViT-B-32.*clip\.pretrained"):
        load_clip(cpu("ViT-B-32", "laion2b_s34b_b79k"))


def test_a_hub_that_does_not_answer_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        began = time.monotonic()
        with pytest.raises(ValueError, match=rf"no answer from .*would be kept in {tmp_path}.*clip\.pretrained=/path"):
            load_clip(cpu("ViT-B-32", "laion2b_s34b_b79k"))
        assert time.monotonic() - began < 10


def small_clip(**_: Any) -> Any:
    raise AssertionError("a model was built before its weights were there")


def test_random_weights_are_asked_for_by_name_and_are_always_the_same(tiny_model_name: Callable[..., str]) -> None:
    state_before = torch.random.get_rng_state()
    first, second = (load_clip(cpu(tiny_model_name(), "random")) for _ in range(2))
    assert first.random_weights and "random weights" in first.name
    assert (first.fingerprint, first.text_fingerprint) == (second.fingerprint, second.text_fingerprint)
    assert torch.equal(torch.random.get_rng_state(), state_before)


def test_a_fingerprint_follows_each_weight_of_its_tower(
    tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], tmp_path: Path
) -> None:
    found = []
    for number, changed in enumerate((None, "visual.conv1.weight", "positional_embedding")):
        state = state_of(tiny_clip())
        if changed:
            state[changed].view(-1)[-1] += 1e-6
        path = tmp_path / f"{number}.safetensors"
        save_file(state, str(path))
        clip = load_clip(cpu(tiny_model_name(), str(path)))
        found.append((clip.fingerprint, clip.text_fingerprint))
    same, image, text = found
    assert image[0] != same[0] and image[1] == same[1]
    assert text[0] == same[0] and text[1] != same[1]


def test_heads_that_no_weight_shows_are_part_of_the_identity(
    trained: Path, tiny_model_name: Callable[..., str]
) -> None:
    """As many weights of the same shapes, but other features."""
    two, four = (load_clip(cpu(tiny_model_name(text_cfg={"heads": heads}), str(trained))) for heads in (2, 4))
    assert two.text_fingerprint != four.text_fingerprint
    narrow = load_clip(cpu(tiny_model_name(vision_cfg={"head_width": 8}), str(trained)))
    assert two.fingerprint != narrow.fingerprint


def test_loading_leaves_the_programs_logging_as_it_was(tiny_model_name: Callable[..., str]) -> None:
    level = logging.getLogger().level
    load_clip(cpu(tiny_model_name(), "random"))
    assert logging.getLogger().level == level


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clip\.device='gpu0' is no torch device"):
        pick_device("gpu0")
    assert pick_device("cpu") == torch.device("cpu")
