"""Replay recorded stage-2 steps through the product's own step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from spg_dist.gan.config import ClipNorms, GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.step import AdversarialStep, StepInputs
from spg_dist.generators import Generator
from spg_dist.training.optimizers import under

Record = dict[str, np.ndarray]

CLIP_FIELDS = {
    "D_MAX_NORM_LAST": "d_edge",
    "D_MAX_NORM_WEIGHT": "d_weight",
    "D_MAX_NORM_BIAS": "d_bias",
    "G_MAX_NORM_WEIGHT": "g_weight",
    "G_MAX_NORM_BIAS_LAST": "g_bias_last",
    "G_MAX_NORM_BIAS": "g_bias",
}
RECORDED_DROPOUT = 0.4
PACS_NORMS = ClipNorms(d_weight=5e-1, g_weight=5e-2, g_bias_last=5.0, g_bias=5e-7)


@dataclass
class Replay:
    """Losses (S,) and norms (S, 24) of S steps, and the networks after them."""

    generator: Generator
    discriminator: Discriminator
    g_loss: list[float] = field(default_factory=list)
    d_loss: list[float] = field(default_factory=list)
    norms: list[np.ndarray] = field(default_factory=list)


def recorded_norms(record: Record) -> ClipNorms | None:
    """The clip limits of a record, by its own names; None where it names none: it ran without clipping."""
    values = record.get("clip_values", np.empty(0))
    if not len(values) or not (values > 0).all():
        return None
    return ClipNorms(**{CLIP_FIELDS[str(n)]: float(v) for n, v in zip(record["clip_names"], values, strict=True)})


def load(network: torch.nn.Module, record: Record, prefix: str, dtype: torch.dtype) -> None:
    state = {n.removeprefix(prefix): torch.from_numpy(a) for n, a in record.items() if n.startswith(prefix)}
    network.to(dtype).load_state_dict({n: t if "num_batches" in n else t.to(dtype) for n, t in state.items()})


def replay(
    inputs: Record,
    generator: Generator,
    discriminator: Discriminator,
    rate: float,
    norms: ClipNorms | None,
    dropout: bool,
    dtype: torch.dtype,
    steps: int = 20,
) -> Replay:
    """Run the steps of record g2_inputs, twice side by side.

    In float64 both come to the same; in float32 the last bits of neighbours may differ, and the steps enlarge them.
    """
    config = GanConfig(clip_norms=norms or ClipNorms())
    step = AdversarialStep([generator] * 2, [discriminator] * 2, [config] * 2, [norms is not None] * 2)
    done = Replay(generator, discriminator)
    for t in range(steps):
        losses = step(step_inputs(inputs, t, dropout, dtype), [rate] * 2)
        done.g_loss.append(float(losses.g_loss_A[0]))
        done.d_loss.append(float(losses.d_loss_A[0]))
        done.norms.append(losses.norms_NA[:, 0].double().numpy())
    if dtype == torch.float64:
        for name, tensor in step.state(0).items():
            torch.testing.assert_close(tensor, step.state(1)[name], rtol=1e-5, atol=1e-7)
    for network, prefix in ((generator, "g/"), (discriminator, "d/")):
        network.load_state_dict(under(prefix, step.state(0)))
    return done


def step_inputs(inputs: Record, t: int, dropout: bool, dtype: torch.dtype) -> StepInputs:
    """Step t for two runs alike. The record holds which units are kept: (3 passes, 2 layers, B, U)."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.stack([torch.from_numpy(array).to(dtype)] * 2)

    real, fake = inputs["real_idx"][t], inputs["fake_idx"][t]
    kept_32BU = torch.from_numpy(np.unpackbits(inputs["keep_masks"][t], axis=-1))
    factors = kept_32BU.transpose(0, 1).flatten(1, 2).to(dtype) / (1 - RECORDED_DROPOUT)
    return StepInputs(
        label_ABPW=tensor(inputs["prompt_labels"][inputs["domain"][real]]),
        real_ABD=tensor(inputs["features"][real]),
        fake_ABD=tensor(inputs["features"][fake]),
        z_ABZ=tensor(inputs["noise"][t]),
        dropout_2A3BU=torch.stack([factors] * 2, dim=1) if dropout else None,
    )


def spread(ours: list[float], recorded: np.ndarray) -> np.ndarray:
    """|difference| / max(|recorded|, 1) of each step."""
    values = np.asarray(ours)
    return np.asarray(np.abs(values - recorded[: len(values)]) / np.maximum(np.abs(recorded[: len(values)]), 1.0))
