"""OpenAI's files: TorchScript archives and state dicts are QuickGELU, and are converted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import Clip, load_clip

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # that is what OpenAI's files are


@pytest.fixture(autouse=True)
def home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def openai_state(model: Any) -> dict[str, Tensor]:
    """The state dict as OpenAI's files hold it: half precision, and three numbers beside the weights."""
    state = {name: tensor.detach().clone().half() for name, tensor in model.state_dict().items()}
    numbers = {"input_resolution": 32, "context_length": 28, "vocab_size": 49408}
    return state | {name: torch.tensor(number) for name, number in numbers.items()}


def as_module(state: dict[str, Tensor]) -> nn.Module:
    """A module tree whose state dict is `state`, so that it can be scripted under the archive's names."""
    root = nn.Module()
    for name, tensor in state.items():
        *path, last = name.split(".")
        owner = root
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner._modules[part] or owner
        owner.register_buffer(last, tensor)
    return root


def write_archive(path: Path, state: dict[str, Tensor]) -> Path:
    torch.jit.save(torch.jit.script(as_module(state)), str(path))
    return path


def load(model: str, path: Path, **more: Any) -> Clip:
    return load_clip(ClipConfig(model=model, pretrained=str(path), device="cpu", **more))


def image_features(model: Any) -> Tensor:
    pixels = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    features: Tensor = model.encode_image(pixels, normalize=True)
    return features


def text_features(model: Any) -> Tensor:
    features: Tensor = model.encode_text(open_clip.get_tokenizer("ViT-B-32")(["a dog."], context_length=28))
    return features


@pytest.fixture
def archive(tiny_clip: Callable[..., Any], tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive.pt", openai_state(tiny_clip()))


def built_with(tiny_clip: Callable[..., Any], quick_gelu: bool) -> Any:
    """open_clip's own model with the weights of the archive."""
    model = tiny_clip(quick_gelu=quick_gelu)
    model.load_state_dict({name: tensor.half().float() for name, tensor in tiny_clip().state_dict().items()})
    return model


def test_an_archive_gives_quickgelu_features(
    archive: Path, tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str]
) -> None:
    clip = load(tiny_model_name(), archive)
    with torch.no_grad():
        ours = image_features(clip.model), text_features(clip.model)
        right, wrong = (
            (image_features(m), text_features(m)) for m in (built_with(tiny_clip, q) for q in (True, False))
        )
    for feature, quick, plain in zip(ours, right, wrong, strict=True):
        torch.testing.assert_close(feature, quick, rtol=0, atol=1e-6)
        assert (feature - plain).abs().max() > 1e-4
    assert clip.openai_weights and "OpenAI archive archive.pt" in clip.name
    assert next(clip.model.parameters()).dtype == torch.float32


def test_a_state_dict_of_openai_gives_the_same_as_its_archive(
    archive: Path, tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], tmp_path: Path
) -> None:
    torch.save(openai_state(tiny_clip()), tmp_path / "state.pt")
    from_state, from_archive = load(tiny_model_name(), tmp_path / "state.pt"), load(tiny_model_name(), archive)
    assert from_state.fingerprint == from_archive.fingerprint
    assert from_state.text_fingerprint == from_archive.text_fingerprint
    assert from_state.openai_weights


def test_a_model_that_is_quickgelu_by_name_takes_them_too(archive: Path, tiny_model_name: Callable[..., str]) -> None:
    by_name, by_weights = load(tiny_model_name(quick_gelu=True), archive), load(tiny_model_name(), archive)
    assert by_name.fingerprint == by_weights.fingerprint


def test_plain_gelu_is_refused_for_them(archive: Path, tiny_model_name: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match=r"clip\.activation=gelu, but OpenAI archive archive\.pt .*QuickGELU"):
        load(tiny_model_name(), archive, activation="gelu")
    assert load(tiny_model_name(), archive, activation="quick_gelu").openai_weights


def test_an_archive_is_converted_once(archive: Path, tiny_model_name: Callable[..., str], home_folder: Path) -> None:
    load(tiny_model_name(), archive)
    (converted,) = (home_folder / "weights").iterdir()
    with safe_open(str(converted), framework="pt") as stored:
        assert stored.metadata()["quick_gelu"] == "true"
        assert not {"input_resolution", "context_length", "vocab_size"} & set(stored.keys())
    before = converted.stat()
    load(tiny_model_name(), archive)
    (again,) = (home_folder / "weights").iterdir()
    assert (again.stat().st_ino, again.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_archive_of_the_same_name_is_converted_anew(
    archive: Path, tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], home_folder: Path
) -> None:
    first = load(tiny_model_name(), archive)
    state = openai_state(tiny_clip())
    state["visual.conv1.weight"] += 1
    write_archive(archive, state)
    assert load(tiny_model_name(), archive).fingerprint != first.fingerprint
    assert len(list((home_folder / "weights").iterdir())) == 2


def test_an_archive_under_a_published_name_must_have_the_published_digest(
    archive: Path, tiny_model_name: Callable[..., str], home_folder: Path
) -> None:
    posing = archive.rename(archive.with_name("ViT-B-32.pt"))
    with pytest.raises(
        ValueError, match=r"ViT-B-32\.pt has SHA-256 [0-9a-f]{64}, but OpenAI published .* with 40d36571"
    ):
        load(tiny_model_name(), posing)
    assert not (home_folder / "weights").exists()


def test_an_archive_of_something_else_is_refused(tmp_path: Path, tiny_model_name: Callable[..., str]) -> None:
    write_archive(tmp_path / "other.pt", {"weight": torch.ones(2)})
    with pytest.raises(
        ValueError, match=r"TorchScript archive, but not one of OpenAI's CLIP \(it lacks input_resolution"
    ):
        load(tiny_model_name(), tmp_path / "other.pt")


def test_a_damaged_archive_is_refused(archive: Path, tiny_model_name: Callable[..., str]) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read weights from .*archive\.pt: its part .* is damaged"):
        load(tiny_model_name(), archive)
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cannot read weights from .*archive\.pt"):
        load(tiny_model_name(), archive)


def test_a_resnet_archive_loads_too(
    tiny_clip: Callable[..., Any], tiny_model_name: Callable[..., str], tmp_path: Path
) -> None:
    resnet = {"vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None}}
    path = write_archive(tmp_path / "resnet.pt", openai_state(tiny_clip(**resnet)))
    clip = load(tiny_model_name(**resnet), path)
    assert clip.feature_width == 32
    expected = {name: tensor.half().float() for name, tensor in tiny_clip(**resnet).state_dict().items()}
    for name, tensor in clip.model.state_dict().items():
        torch.testing.assert_close(tensor.float(), expected[name], rtol=0, atol=0, msg=name)
