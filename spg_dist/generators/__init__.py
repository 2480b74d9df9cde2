"""Generator networks of stage 2, one module each: a soft prompt from noise and an image feature.

A network is a class under the name `GENERATOR`, written once, as torch modules for one run; many runs at once are the
training's matter. Names are known without importing anything (`cache/extensions.py`); a network of one's own is an
entry point or a plugin file, and `spg_dist/testing/generators.py` has the tests that it must pass.

Shape suffixes: B batch, D feature width, Z width of the noise, P context tokens, W text width.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_type_hints

import torch
from torch import Tensor, nn

from cache.extensions import Table, modules_of
from spg_dist.generators._layers import SLOPE, BatchNorm, Dropout, Linear, he_uniform
from spg_dist.training.seeds import derive, torch_random

__all__ = [
    "GENERATORS",
    "SLOPE",
    "BatchNorm",
    "Dropout",
    "Generator",
    "Group",
    "Linear",
    "NoSettings",
    "Sizes",
    "groups_by_name",
    "he_uniform",
    "initial_generator",
    "read_settings",
]

Group = Literal["first", "last", "weight", "bias"]
"""What the clip norm of a parameter goes by: of a generator `weight` goes by `clip_norms.g_weight`, `last` by
`g_bias_last`, `bias` by `g_bias`. That is so small that what has it hardly learns; a generator has no `first`."""


@dataclass(frozen=True)
class Sizes:
    """What a network must fit.

    Arguments:
        feature_width: D.
        n_ctx: P.
        text_width: W.
    """

    feature_width: int
    n_ctx: int
    text_width: int


@dataclass(frozen=True)
class NoSettings:
    """Of a network that has none."""


class Generator(nn.Module):
    """G(z, x): noise and an image feature to a soft prompt.

    The constructor takes settings and sizes, and raises ValueError where they do not fit. What is random in it is
    `initialise` and layers `Dropout` of this package; torch's own dropout is refused.

    Arguments:
        settings: a `Settings` of the class.
    """

    name: ClassVar[str]
    """What `stage2.generator` calls it."""

    Settings: ClassVar[type] = NoSettings
    """A dataclass: what `stage2.generator_settings` may hold. Fields `latent_width` and `g_widths` are taken from
    `stage2.latent_width` and `stage2.g_widths`."""

    stacks: ClassVar[bool] = False
    """Whether the modules also take the parameters of several runs (A, *shape) with inputs (A, B, ...), as `Linear`,
    `BatchNorm` and `Dropout` do. Other networks are mapped over the runs, which costs an accelerator more."""

    noise_width: int = 0
    """Z; 0 = its prompts depend on the image alone."""

    def __init__(self, settings: Any, sizes: Sizes) -> None:
        super().__init__()
        self.prompt_shape = sizes.n_ctx, sizes.text_width

    def initialise(self, random: torch.Generator) -> None:
        """Draw the initial weights."""
        raise NotImplementedError

    def groups(self) -> dict[str, Group]:
        """The group of every parameter, by its name."""
        raise NotImplementedError

    def forward(self, z_BZ: Tensor, x_BD: Tensor) -> Tensor:
        """Prompts (B, P, W)."""
        raise NotImplementedError


GENERATORS: Table[type[Generator]] = Table("generator", modules_of(__name__))


def read_settings(kind: type[Generator], given: Mapping[str, Any]) -> Any:
    """A network's settings from plain values.

    Raises:
        ValueError: the network has no such setting, or not of this type.
    """
    hints = get_type_hints(kind.Settings)
    for name, value in given.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(field.name for field in fields(kind.Settings)) or "none"
            raise ValueError(f"the generator {kind.name!r} has no setting {name!r}{hint} (it has: {known})")
        wanted, found = hints[name], type(value)
        if wanted in (int, float, bool, str) and found is not wanted and (wanted, found) != (float, int):
            raise ValueError(f"the generator's {name} is {value!r}, expected {wanted.__name__}")
    return kind.Settings(**given)


def initial_generator(kind: type[Generator], settings: Any, sizes: Sizes, seed: int) -> Generator:
    """An untrained generator of a run with this seed; whatever else draws from torch's generator meanwhile.

    Raises:
        ValueError: settings and sizes do not fit, or the network has a dropout of torch's own.
    """
    with torch.random.fork_rng(devices=[]):  # what `initialise` leaves as torch's constructors draw it
        torch.default_generator.manual_seed(derive(seed, "generator"))
        network = kind(settings, sizes)
    for name, layer in network.named_modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd | nn.MultiheadAttention | nn.RNNBase):
            rate = layer.p if isinstance(layer, nn.modules.dropout._DropoutNd) else layer.dropout
            if rate:
                raise ValueError(
                    f"the generator {kind.name!r} has torch's own dropout in {name!r}, which no seed of a run fixes: "
                    f"give it a rate of 0, and take spg_dist.generators.Dropout"
                )
    network.initialise(torch_random(seed, "generator"))
    return network


def groups_by_name(network: nn.Module, last: Collection[str] = ()) -> dict[str, Group]:
    """The usual groups: `last` for the parameters named in it, `weight` and `bias` for others whose name ends so. A
    parameter of another name is in none, which is refused when the network is used."""
    endings: dict[str, Group] = {"weight": "weight", "bias": "bias"}
    found: dict[str, Group] = {}
    for name, _ in network.named_parameters():
        for ending, group in endings.items():
            if name.endswith(ending):
                found[name] = "last" if name in last else group
    return found
