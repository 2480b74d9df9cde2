"""Hyperparameters of stage 2."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from spg_dist.training.schedule import ScheduleConfig
from spg_dist.training.validation import ValidationConfig

if TYPE_CHECKING:
    from spg_dist.generators import Generator

AdversarialLoss = Literal["least-squares", "cross-entropy"]
DEFAULT = "mlp"
"""The paper's network."""
NETWORK_FIELDS = ("latent_width", "g_widths")
"""Settings of the default network, and of any other that has some of these names; `generator_settings` has the rest."""


@dataclass(frozen=True)
class ClipNorms:
    """Largest gradient norm of each parameter tensor, by its place in the networks (published as `*_MAX_NORM_*`)."""

    d_edge: float = 5.0
    """Discriminator, first and last layer, weight and bias."""

    d_weight: float = 5e-2
    """Discriminator, weights of the layers between."""

    d_bias: float = 5e-1
    """Discriminator, biases of the layers between."""

    g_weight: float = 5e-3
    """Generator, all weights, BatchNorm's too."""

    g_bias_last: float = 1.0
    """Generator, biases of the last BatchNorm and the last Linear."""

    g_bias: float = 5e-8
    """Generator, the other biases."""

    off_for_targets: list[str] = field(default_factory=list)
    """Target domains that are trained without clipping."""

    def __post_init__(self) -> None:
        for name in ("d_edge", "d_weight", "d_bias", "g_weight", "g_bias_last", "g_bias"):
            if not getattr(self, name) > 0:
                raise ValueError(f"clip_norms.{name} is {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True)
class GanConfig(ValidationConfig):
    """Conditional GAN over prompts (SPG section 3.3)."""

    generator: str = DEFAULT
    """The generator's network: `mlp` as in the paper, `transformer` as in DPSPG, or one that a package or plugin
    adds."""

    generator_settings: dict[str, Any] = field(default_factory=dict)
    """What that network can be given, e.g. {layers: 2, heads: 4} for `transformer`; `mlp` has the two fields below."""

    latent_width: int = 100
    """Width of the noise z, of a network that takes one."""

    g_widths: list[int] = field(default_factory=lambda: [128, 256, 512, 1024])
    """Hidden widths of the generator `mlp`."""

    d_width: int = 512
    """Hidden width of the discriminator."""

    dropout: float = 0.4
    """Dropout probability in the discriminator."""

    epochs: int = 70
    """Passes over the sources' training features."""

    batch_size: int = 32
    """Features in the real batch, and as many in the fake batch."""

    learning_rate: float = 2e-3
    """Peak learning rate of both AdamW optimizers (2e-4 for OfficeHome and DomainNet)."""

    d_learning_rate_factor: float = 1.0
    """The discriminator's learning rate is so many times the generator's, in every epoch."""

    loss: AdversarialLoss = "least-squares"
    """Adversarial loss: `least-squares` as the published code has it, or `cross-entropy` as the paper's equation."""

    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's averaging coefficients."""

    weight_decay: float = 1e-4
    """AdamW's weight decay."""

    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(warmup_epochs=4, warmup_kind="linear"))
    """Learning rate by epoch."""

    clip_norms: ClipNorms = field(default_factory=ClipNorms)
    """Gradient clipping, each parameter tensor by its own norm."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_network()
        for name in ("d_width", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size is {self.batch_size}, expected 2 or more: BatchNorm needs a batch to normalise"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, expected a probability from 0 to below 1")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}, expected more than 0, e.g. 2e-3")
        if self.d_learning_rate_factor <= 0:
            raise ValueError(f"d_learning_rate_factor is {self.d_learning_rate_factor}, expected more than 0, e.g. 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas is {self.betas}, expected two numbers from 0 to below 1, e.g. [0.9, 0.999]")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay is {self.weight_decay}, expected 0 or more, e.g. 1e-4")

    def _check_network(self) -> None:
        """Imports the network, and with it torch, unless nothing about it was asked for: so `--help` stays quick."""
        plain = all(getattr(self, name) == _default(name) for name in NETWORK_FIELDS)
        if self.generator == DEFAULT and not self.generator_settings and plain:
            return
        for name in self.unread:
            if getattr(self, name) != _default(name):
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but generator {self.generator!r} does not read it: leave it out"
                )
        for name in NETWORK_FIELDS:
            if name in self.generator_settings:
                raise ValueError(f"generator_settings has {name}, which is a field itself: give stage2.{name}")
        _ = self.network_settings

    @property
    def network(self) -> type[Generator]:
        """Raises ValueError where there is none of this name."""
        from spg_dist.generators import GENERATORS

        return GENERATORS[self.generator]

    @property
    def network_settings(self) -> Any:
        """A `Settings` of the network. Raises ValueError where the network cannot have these."""
        own = {name: getattr(self, name) for name in NETWORK_FIELDS if name not in self.unread}
        from spg_dist.generators import read_settings

        return read_settings(self.network, own | self.generator_settings)

    @property
    def unread(self) -> tuple[str, ...]:
        """Those of `NETWORK_FIELDS` that are no settings of the network."""
        known = {one.name for one in fields(self.network.Settings)}
        return tuple(name for name in NETWORK_FIELDS if name not in known)

    def record(self) -> dict[str, Any]:
        """What a run is identified by: with the default network what version 0.1.0 recorded, which had no other."""
        record = asdict(self)
        del record["generator"], record["generator_settings"]
        if self.generator != DEFAULT:
            for name in NETWORK_FIELDS:
                del record[name]
            record["generator"] = {"name": self.generator, **asdict(self.network_settings)}
        return record


def _default(name: str) -> Any:
    one = GanConfig.__dataclass_fields__[name]
    return one.default if one.default_factory is MISSING else one.default_factory()
