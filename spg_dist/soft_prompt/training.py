"""Learn one soft prompt for a set of images (stage 1; CoOp), for many runs as one program.

The runs of a step take it in blocks, and no tensor is larger than a block: on a CPU of sizes at which this machine was
seen to give each run the bits that it has alone, on an accelerator of as many as memory allows.

Shape suffixes: A runs of a block, R runs, B batch, C classes, D feature width, P context tokens, W text width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.evaluation.accuracy import accuracy_of_text
from spg_dist.features import FeatureTable
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.training.batches import shuffled_batches, steps_of
from spg_dist.training.epoch_rows import EpochRows
from spg_dist.training.loop import Metrics
from spg_dist.training.run_blocks import blocks_of, sizes_that_keep_bits
from spg_dist.training.schedule import learning_rates
from spg_dist.training.seeds import numpy_random
from spg_dist.training.stacked import Places, linear

VELOCITY = "moments/0/momentum_buffer"  # as torch's SGD names it
TOKENS_AT_ONCE = 4096  # through the text tower for one gradient: about 400 KB each of activations in ViT-B's tower


@dataclass(frozen=True)
class SoftPromptRun:
    """One soft prompt v, the minimum of the cross-entropy of softmax(exp(logit_scale) · x · g([v, class])ᵀ) over v
    alone (SPG section 3.2, equation 3), by SGD with momentum.

    Arguments:
        train_rows, val_rows: rows of `table`.
        initial_PW: the first prompt.
        logit_scale: exp(logit_scale) of the frozen CLIP.
        prompts_at_once: at most so many go through the text tower in one pass; it bounds the memory for the gradient.
    """

    config: SoftPromptConfig
    table: FeatureTable
    train_rows: np.ndarray
    val_rows: np.ndarray
    encoder: PromptEncoder
    initial_PW: Tensor
    logit_scale: float
    seed: int
    prompts_at_once: int = 16

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return steps_of(len(self.train_rows), self.config.batch_size)

    @property
    def batch(self) -> int:
        return min(self.config.batch_size, len(self.train_rows))

    @property
    def alike(self) -> tuple[Any, ...]:
        """What runs of one program have in common; all else may differ."""
        return self.batch, self.initial_PW.shape, id(self.table), id(self.encoder)


class SoftPromptTraining:
    """Soft prompts of runs that are `alike`; see `RunGroup`.

    Arguments:
        block_sizes: how many runs a block may have, largest first; None = asked of the machine.
    """

    def __init__(self, runs: Sequence[SoftPromptRun], block_sizes: Sequence[int] | None = None) -> None:
        assert len({run.alike for run in runs}) == 1
        self.runs = runs
        self._given_sizes = block_sizes
        self.table, self.encoder = runs[0].table, runs[0].encoder
        self.places = Places([run.steps for run in runs])
        self.prompt_RPW = torch.stack([runs[n].initial_PW.detach() for n in self.places.numbers]).to(self.table.device)
        self.velocity_RPW = torch.zeros_like(self.prompt_RPW)
        self.rates = [learning_rates(r.config.learning_rate, r.config.epochs, r.config.schedule) for r in runs]

    def train_epoch(self, epochs: Mapping[int, int]) -> dict[int, Metrics]:
        staying = self.places.keep(epochs)
        if len(staying) < len(self.prompt_RPW):
            self.prompt_RPW, self.velocity_RPW = self.prompt_RPW[staying], self.velocity_RPW[staying]
        numbers = self.places.numbers
        runs, own_epochs = [self.runs[n] for n in numbers], [epochs[n] for n in numbers]
        rates = [self.rates[n][epochs[n]] for n in numbers]
        rows = EpochRows(self.table, [run.train_rows for run in runs], own_epochs)
        place_SRB, rows_SRB = rows.place([_shuffled(run, e) for run, e in zip(runs, own_epochs, strict=True)])
        label_SRB = self.table.label_N[rows_SRB]
        losses_SR = torch.zeros(label_SRB.shape[:2], device=self.table.device)
        for step in range(len(losses_SR)):
            busy = self.places.busy(step)
            for block in blocks_of(busy, self.block_sizes):
                x_ABD = rows.features(place_SRB[step, block])
                losses_SR[step, block], _ = self.step(x_ABD, label_SRB[step, block], rates[block], block)
        taken = losses_SR.T.cpu().tolist()
        return {
            n: {"loss": fmean(losses_S[: run.steps]), "learning_rate": rate}
            for n, run, losses_S, rate in zip(numbers, runs, taken, rates, strict=True)
        }

    @cached_property
    def block_sizes(self) -> Sequence[int]:
        """How many runs a block may have, largest first."""
        if self._given_sizes is not None:
            return self._given_sizes
        run, most = self.runs[0], min(self.runs[0].prompts_at_once, len(self.runs))
        if self.table.device.type != "cpu":
            return range(most, 0, -1)
        shallow = run.encoder.shallow() if most > 1 else None
        if shallow is None:
            return (1,)
        return sizes_that_keep_bits(lambda copies: _one_step([replace(run, encoder=shallow)] * copies), most)

    def step(self, x_ABD: Tensor, label_AB: Tensor, rates: Sequence[float], block: slice) -> tuple[Tensor, Tensor]:
        """One update of a block's prompts; returns the losses (A,) before it and their gradients (A, P, W).

        Arguments:
            rates: learning rate of each of these runs.
            block: their places.
        """
        loss_A, gradient_APW = self._losses(x_ABD, label_AB, block)
        configs = [self.runs[n].config for n in self.places.numbers[block]]
        prompt_APW, velocity_APW = self.prompt_RPW[block], self.velocity_RPW[block]
        decay, momentum, rate = (
            torch.tensor(values, dtype=prompt_APW.dtype, device=prompt_APW.device)[:, None, None]
            for values in ([c.weight_decay for c in configs], [c.momentum for c in configs], rates)
        )
        velocity_APW.mul_(momentum).add_(gradient_APW + decay * prompt_APW)
        prompt_APW.sub_(rate * velocity_APW)
        return loss_A, gradient_APW

    def _losses(self, x_ABD: Tensor, label_AB: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """Losses (A,) of a block, and each one's gradient in its prompt."""
        prompt_APW = self.prompt_RPW[block].detach().requires_grad_()
        text_ACD = self.encoder(prompt_APW)
        scales = [self.runs[n].logit_scale for n in self.places.numbers[block]]
        scale_A11 = torch.tensor(scales, dtype=x_ABD.dtype, device=x_ABD.device)[:, None, None]
        logit_ABC = linear(scale_A11 * x_ABD, text_ACD)
        loss_A = F.cross_entropy(logit_ABC.flatten(0, 1), label_AB.flatten(), reduction="none")
        loss_A = loss_A.unflatten(0, label_AB.shape).mean(dim=1)
        (gradient_APW,) = torch.autograd.grad(loss_A.sum(), prompt_APW)
        return loss_A.detach(), gradient_APW

    @torch.no_grad()
    def val_accuracy(self, run: int) -> float:
        text_CD = self.encoder(self.weights(run)["prompt"][None])[0]
        return accuracy_of_text(text_CD, self.table, self.runs[run].val_rows)

    def weights(self, run: int) -> dict[str, Tensor]:
        return {"prompt": self.prompt_RPW[self.places.of(run)]}

    def state(self, run: int) -> dict[str, Tensor]:
        return self.weights(run) | {VELOCITY: self.velocity_RPW[self.places.of(run)]}

    def load_state(self, run: int, state: dict[str, Tensor]) -> None:
        place = self.places.of(run)
        self.prompt_RPW[place] = state["prompt"]
        self.velocity_RPW[place] = state[VELOCITY]


def prompts_at_once(encoder: PromptEncoder) -> int:
    """As many as memory allows."""
    return max(1, TOKENS_AT_ONCE // (encoder.classes.n_ctx + sum(encoder.classes.suffix_lengths)))


def _one_step(runs: Sequence[SoftPromptRun]) -> list[Tensor]:
    """What a step gives to each of some copies of a run: loss, gradient, prompt and velocity."""
    copies, run = len(runs), runs[0]
    training = SoftPromptTraining(runs, block_sizes=(copies,))
    rows_B = run.train_rows[: run.batch]
    x_ABD = run.table.training_features(rows_B, 0).to(training.prompt_RPW.dtype).repeat(copies, 1, 1)
    label_AB = run.table.label_N[torch.from_numpy(rows_B)].repeat(copies, 1)
    step = training.step(x_ABD, label_AB, [run.config.learning_rate] * copies, slice(0, copies))
    return [*step, training.prompt_RPW, training.velocity_RPW]


def _shuffled(run: SoftPromptRun, epoch: int) -> np.ndarray:
    """Rows (S, B) of an epoch's batches."""
    random = numpy_random(run.seed, "soft prompt", epoch)
    return np.stack(list(shuffled_batches(run.train_rows, run.config.batch_size, random)))
