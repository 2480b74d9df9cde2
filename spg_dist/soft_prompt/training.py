"""Learn one soft prompt for a set of images (stage 1; CoOp), for many runs as one program.

Shape suffixes: A runs of a step, R runs, B batch, C classes, D feature width, P context tokens, W text width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from spg_dist.training import Metrics, learning_rates
from spg_dist.training.batches import shuffled_batches, steps_of
from spg_dist.training.epoch_rows import EpochRows
from spg_dist.training.seeds import numpy_random
from spg_dist.training.stacked import Places, linear

VELOCITY = "moments/0/momentum_buffer"  # as torch's SGD names it


@dataclass(frozen=True)
class SoftPromptRun:
    """One soft prompt v, the minimum of the cross-entropy of softmax(exp(logit_scale) · x · g([v, class])ᵀ) over v
    alone (SPG section 3.2, equation 3), by SGD with momentum.

    Arguments:
        train_rows, val_rows: rows of `table`.
        initial_PW: the first prompt.
        logit_scale: exp(logit_scale) of the frozen CLIP.
        prompts_at_once: so many go through the text tower in one pass; it bounds the memory for the gradient.
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
    def alike(self) -> tuple[Any, ...]:
        """What runs of one program have in common; all else may differ."""
        batch = min(self.config.batch_size, len(self.train_rows))
        return batch, self.initial_PW.shape, id(self.table), id(self.encoder)


class SoftPromptTraining:
    """Soft prompts of runs that are `alike`; see `RunGroup`."""

    def __init__(self, runs: Sequence[SoftPromptRun]) -> None:
        assert len({run.alike for run in runs}) == 1
        self.runs = runs
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
            A = self.places.busy(step)
            losses_SR[step, :A], _ = self.step(rows.features(place_SRB[step, :A]), label_SRB[step, :A], rates[:A])
        taken = losses_SR.T.cpu().tolist()
        return {
            n: {"loss": fmean(losses_S[: run.steps]), "learning_rate": rate}
            for n, run, losses_S, rate in zip(numbers, runs, taken, rates, strict=True)
        }

    def step(self, x_ABD: Tensor, label_AB: Tensor, rates: Sequence[float]) -> tuple[Tensor, Tensor]:
        """One update of the first A prompts; returns the losses (A,) before it and their gradients (A, P, W).

        Arguments:
            rates: learning rate of each of these runs.
        """
        A = len(x_ABD)
        at_once = self.runs[0].prompts_at_once
        parts = [slice(start, min(start + at_once, A)) for start in range(0, A, at_once)]
        pairs = [self._losses(x_ABD[part], label_AB[part], part) for part in parts]
        loss_A, gradient_APW = (torch.cat(tensors) for tensors in zip(*pairs, strict=True))
        configs = [self.runs[n].config for n in self.places.numbers[:A]]
        prompt_APW, velocity_APW = self.prompt_RPW[:A], self.velocity_RPW[:A]
        decay, momentum, rate = (
            torch.tensor(values, dtype=prompt_APW.dtype, device=prompt_APW.device)[:, None, None]
            for values in ([c.weight_decay for c in configs], [c.momentum for c in configs], rates)
        )
        velocity_APW.mul_(momentum).add_(gradient_APW + decay * prompt_APW)
        prompt_APW.sub_(rate * velocity_APW)
        return loss_A, gradient_APW

    def _losses(self, x_ABD: Tensor, label_AB: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Losses (A,) of some runs, and each one's gradient in its prompt."""
        prompt_APW = self.prompt_RPW[part].detach().requires_grad_()
        text_ACD = self.encoder(prompt_APW)
        scales = [self.runs[n].logit_scale for n in self.places.numbers[part]]
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


def _shuffled(run: SoftPromptRun, epoch: int) -> np.ndarray:
    """Rows (S, B) of an epoch's batches."""
    random = numpy_random(run.seed, "soft prompt", epoch)
    return np.stack(list(shuffled_batches(run.train_rows, run.config.batch_size, random)))
