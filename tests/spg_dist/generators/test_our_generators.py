"""Our own networks keep the contract; how a network is named, given settings and refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import yaml
from torch import Tensor, nn

from spg_dist.gan.clipping import generator_limits
from spg_dist.gan.config import ClipNorms, GanConfig
from spg_dist.gan.stacked import StackedNetwork
from spg_dist.gan.training import build_generator
from spg_dist.generators import GENERATORS, Generator, Group, NoSettings, Sizes, groups_by_name, initial_generator
from spg_dist.testing.generators import GeneratorContract

VERSION_0_1_0 = Path(__file__).resolve().parents[2] / "fixtures" / "version-0.1.0"
SMALL = {"layers": 2, "heads": 4, "feed_forward": 24}


class TestMlp(GeneratorContract):
    name = "mlp"
    fields: ClassVar[dict[str, Any]] = {"latent_width": 3, "g_widths": [8, 12, 16]}


class TestTransformer(GeneratorContract):
    name = "transformer"
    settings: ClassVar[dict[str, Any]] = SMALL


class Plain(Generator):
    """Of torch's own layers, with statistics of its batches and a buffer of its own."""

    name = "plain"
    noise_width = 2

    def __init__(self, settings: NoSettings, sizes: Sizes, layer: Callable[[], nn.Module] = nn.Identity) -> None:
        super().__init__(settings, sizes)
        self.model = nn.Sequential(
            nn.Linear(2 + sizes.feature_width, 6),
            nn.BatchNorm1d(6),
            layer(),
            nn.Linear(6, sizes.n_ctx * sizes.text_width),
        )
        self.register_buffer("calls", torch.zeros(()))

    def initialise(self, random: torch.Generator) -> None:
        """As torch's constructors do."""

    def groups(self) -> dict[str, Group]:
        return groups_by_name(self)

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        self.calls.add_(1)
        prompts: Tensor = self.model(torch.cat([z_BZ, x_BD], dim=-1))
        return prompts.unflatten(-1, self.prompt_shape)


class TestPlain(GeneratorContract):
    """A network that knows nothing of many runs."""

    name = "plain"

    @pytest.fixture(autouse=True)
    def known(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        table, get = type(GENERATORS), type(GENERATORS).__getitem__
        monkeypatch.setattr(table, "__getitem__", lambda self, name: Plain if name == "plain" else get(self, name))
        yield


SIZES = Sizes(8, 2, 4)


def test_each_run_moves_its_own_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [initial_generator(Plain, NoSettings(), SIZES, seed) for seed in (1, 2)]
    stack = StackedNetwork(networks)
    z_ABZ, x_ABD = torch.randn(2, 5, 2), torch.randn(2, 5, 8)
    stack(stack.of_first(1), z_ABZ[:1], x_ABD[:1])
    assert int(stack.state(0)["calls"]) == int(stack.state(0)["model.1.num_batches_tracked"]) == 1
    assert int(stack.state(1)["calls"]) == int(stack.state(1)["model.1.num_batches_tracked"]) == 0
    assert not torch.equal(stack.state(0)["model.1.running_mean"], torch.zeros(6))
    assert torch.equal(stack.state(1)["model.1.running_mean"], torch.zeros(6))


def test_torchs_own_dropout_is_refused_by_its_place() -> None:
    class Dropping(Plain):
        def __init__(self, settings: NoSettings, sizes: Sizes) -> None:
            super().__init__(settings, sizes, lambda: nn.Dropout(0.1))

    with pytest.raises(
        ValueError, match=r"'plain' has torch's own dropout in 'model\.2'.*spg_dist\.generators\.Dropout"
    ):
        initial_generator(Dropping, NoSettings(), SIZES, 1)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            lambda named: named | {"model.0.bias": "first"},
            "'model.0.bias' in the group 'first', expected one of w",
        ),
        (lambda named: {n: g for n, g in named.items() if n != "model.0.bias"}, "'model.0.bias' in no group"),
        (lambda named: named | {"model.9.bias": "bias"}, "a group for 'model.9.bias', which is none of its parameters"),
    ],
)
def test_a_parameter_without_a_clip_norm_is_an_error(
    groups: Callable[[dict[str, str]], dict[str, Any]], said: str
) -> None:
    network = initial_generator(Plain, NoSettings(), SIZES, 1)
    named = dict(network.groups())
    network.groups = lambda: groups(named)  # type: ignore[assignment, method-assign, arg-type]
    with pytest.raises(ValueError, match=said):
        generator_limits(network, ClipNorms())


def test_a_parameter_that_is_neither_weight_nor_bias_is_in_no_group() -> None:
    network = initial_generator(Plain, NoSettings(), SIZES, 1)
    network.register_parameter("token", nn.Parameter(torch.zeros(4)))
    with pytest.raises(ValueError, match=r"puts its parameter 'token' in no group, expected one of weight, last, bias"):
        generator_limits(network, ClipNorms())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"generator": "transfomer"}, "no generator 'transfomer'; did you mean 'transformer'"),
        ({"generator_settings": {"layers": 2}}, r"'mlp' has no setting 'layers' \(it has: latent_width, g_widths\)"),
        (
            {"generator": "transformer", "generator_settings": {"layer": 2}},
            "'transformer' has no setting 'layer'; did you mean 'layers'",
        ),
        (
            {"generator": "transformer", "generator_settings": {"heads": "8"}},
            "generator's heads is '8', expected int",
        ),
        (
            {"generator": "transformer", "g_widths": [8, 12]},
            r"g_widths is \[8, 12\], but generator 'transformer' do",
        ),
        ({"generator_settings": {"latent_width": 3}}, "generator_settings has latent_width.* give stage2.latent_width"),
    ],
)
def test_settings_that_a_network_does_not_have_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GanConfig(**fields)


def test_heads_that_do_not_divide_the_features_width_are_refused() -> None:
    with pytest.raises(ValueError, match="heads is 8, expected a divisor of the image features' width, 12"):
        build_generator(GanConfig(generator="transformer"), 12, 2, 4)


def test_the_transformers_layers_are_initialised_as_torchs() -> None:
    network = build_generator(GanConfig(generator="transformer", generator_settings=SMALL), 64, 4, 16, seed=3)
    torch.manual_seed(1)
    theirs = nn.TransformerEncoderLayer(64, 4, 24).state_dict()
    for layer in range(2):
        for name, tensor in theirs.items():
            ours = network.state_dict()[f"transformer_encoder.layers.{layer}.{name}"]
            assert ours.shape == tensor.shape
            if tensor.unique().numel() <= 1:
                assert torch.equal(ours, tensor), name
            else:
                assert float(ours.abs().max()) == pytest.approx(float(tensor.abs().max()), rel=0.1), name


def test_with_the_default_network_a_run_is_recorded_as_version_0_1_0_did() -> None:
    stored = yaml.safe_load((VERSION_0_1_0 / "runs" / "finished" / "config.yaml").read_text())["stage2"]
    config = GanConfig(generator="mlp", generator_settings={}, latent_width=7)
    assert config.record().keys() == stored.keys()
    assert config.record()["latent_width"] == 7


def test_another_network_is_recorded_with_all_its_settings() -> None:
    configs = [GanConfig(generator="transformer", generator_settings={"heads": heads}) for heads in (4, 8)]
    assert GanConfig(generator="transformer").record() == configs[1].record() != configs[0].record()
    recorded = configs[0].record()
    assert recorded["generator"] == {
        "name": "transformer",
        "layers": 4,
        "heads": 4,
        "feed_forward": 2048,
        "dropout": 0.1,
    }
    assert not {"latent_width", "g_widths"} & recorded.keys()
