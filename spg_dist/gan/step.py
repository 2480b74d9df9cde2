"""One adversarial step of stage 2 (SPG section 3.3, equations 4 and 5), for many runs.

For each run, with label v and features x of the real batch, noise z and features x' of the fake one:

    L_D = mean (D(v, x) - 1)² + mean D(G(z, x'), x')²        one AdamW step of D on its clipped gradient
    L_G = mean (D(G(z, x'), x') - 1)²                        with the updated D; one AdamW step of G, clipped

or the same with cross-entropy in the place of squares (`losses.py`). The losses are summed over runs, so that each
run's gradient is that of its own losses. tests/spg_dist/gan/ holds the step against the same lines written plainly, one
run and one tensor at a time.

Shape suffixes: A runs of a step, R all runs, N parameters, B batch, D feature width, Z latent width, P context tokens,
W text width, U hidden width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from spg_dist.gan.clipping import clip_each, discriminator_limits, generator_limits
from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.losses import validity_loss
from spg_dist.gan.stacked import StackedNetwork
from spg_dist.generators import Generator
from spg_dist.training.optimizers import under

ADAM_EPS = 1e-8


@dataclass(frozen=True)
class StepInputs:
    """All that is random in a step of the first A runs, drawn outside it.

    Arguments:
        label_ABPW: prompt label of each real image's domain.
        real_ABD: real batch of features.
        fake_ABD: another batch of features, which the generator makes prompts for.
        z_ABZ: noise of the one generator pass.
        dropout_2A3BU: what the units behind the two dropout layers are multiplied by, 0 or 1 / (1 - p), in the three
            discriminator passes (real, fake, fake again after D's update), one behind the other; None = no dropout.
        g_dropout: the same of each dropout layer of the generator, (A, B, *shape) each; nothing = no dropout.
    """

    label_ABPW: Tensor
    real_ABD: Tensor
    fake_ABD: Tensor
    z_ABZ: Tensor
    dropout_2A3BU: Tensor | None
    g_dropout: Sequence[Tensor] = ()


@dataclass(frozen=True)
class StepLosses:
    """Losses and gradient norms of one step.

    Arguments:
        d_loss_A: L_D before D's update.
        g_loss_A: L_G after D's and before G's update.
        norms_NA: norm of each parameter's gradient before clipping, D's parameters then G's.
    """

    d_loss_A: Tensor
    g_loss_A: Tensor
    norms_NA: Tensor


class AdversarialStep:
    """Both networks of R runs, their optimizers and limits. Calling it makes one step of the first runs.

    Arguments:
        generators, discriminators: the first networks, one of each run, all of the same sizes.
        configs: of each run; the loss is the same, while learning rates, limits, betas and weight decay may differ.
        clips: False trains the run without gradient clipping.
    """

    def __init__(
        self,
        generators: Sequence[Generator],
        discriminators: Sequence[Discriminator],
        configs: Sequence[GanConfig],
        clips: Sequence[bool],
    ) -> None:
        self.generator, self.discriminator = StackedNetwork(generators), StackedNetwork(discriminators)
        self.configs, self.steps = list(configs), [0] * len(configs)
        limits = [self._limits(generators[0], discriminators[0], *run) for run in zip(configs, clips, strict=True)]
        like = self.generator.parameters[0]
        self.g_limits_NR, self.d_limits_NR = (
            torch.tensor(of_runs, dtype=like.dtype, device=like.device).T for of_runs in zip(*limits, strict=True)
        )

    @staticmethod
    def _limits(
        generator: Generator, discriminator: Discriminator, config: GanConfig, clip: bool
    ) -> tuple[list[float], list[float]]:
        """G's and D's, of one run."""
        norms = config.clip_norms
        limits = generator_limits(generator, norms), discriminator_limits(discriminator, norms)
        return limits if clip else ([math.inf] * len(limits[0]), [math.inf] * len(limits[1]))

    def __call__(self, inputs: StepInputs, rates: Sequence[float]) -> StepLosses:
        """One step of D, then one of G, of the first A runs.

        Arguments:
            rates: learning rate of each of these runs' generators.
        """
        A, B, _ = inputs.real_ABD.shape
        dropout = () if inputs.dropout_2A3BU is None else inputs.dropout_2A3BU.unbind()
        first, again = [one[:, : 2 * B] for one in dropout], [one[:, 2 * B :] for one in dropout]
        g, d = self.generator.of_first(A), self.discriminator.of_first(A)
        prompt_ABPW = self.generator(g, inputs.z_ABZ, inputs.fake_ABD, factors=inputs.g_dropout)
        both_A2BPW = torch.cat([inputs.label_ABPW, prompt_ABPW.detach()], dim=1)
        both_A2BD = torch.cat([inputs.real_ABD, inputs.fake_ABD], dim=1)
        valid_A2B = self.discriminator(d, both_A2BPW, both_A2BD, factors=first)[..., 0]
        loss = self.configs[0].loss
        d_loss_A = validity_loss(loss, valid_A2B[:, :B], real=True) + validity_loss(loss, valid_A2B[:, B:], real=False)
        d_rates = [rate * config.d_learning_rate_factor for rate, config in zip(rates, self.configs, strict=False)]
        d_norms_NA = self._update(self.discriminator, d_loss_A, d, self.d_limits_NR[:, :A], d_rates)

        fixed = self.discriminator.of_first(A, learn=False)
        valid_AB = self.discriminator(fixed, prompt_ABPW, inputs.fake_ABD, factors=again)[..., 0]
        g_loss_A = validity_loss(loss, valid_AB, real=True)
        g_norms_NA = self._update(self.generator, g_loss_A, g, self.g_limits_NR[:, :A], rates)
        self.steps[:A] = [steps + 1 for steps in self.steps[:A]]
        return StepLosses(d_loss_A.detach(), g_loss_A.detach(), torch.cat([d_norms_NA, g_norms_NA]))

    def _update(
        self,
        network: StackedNetwork,
        loss_A: Tensor,
        parameters: list[Tensor],
        limits_NA: Tensor,
        rates: Sequence[float],
    ) -> Tensor:
        """Clip the gradient of each run's loss, and step; returns the norms."""
        # contiguous as the parameters are, which the fused AdamW wants: a mapped network may have them transposed
        gradients = [gradient.contiguous() for gradient in torch.autograd.grad(loss_A.sum(), parameters)]
        norms_NA = clip_each(gradients, limits_NA)
        self._adamw(network, parameters, gradients, rates)
        return norms_NA

    @torch.no_grad()
    def _adamw(
        self, network: StackedNetwork, parameters: list[Tensor], gradients: list[Tensor], rates: Sequence[float]
    ) -> None:
        """One step; neighbouring runs that differ in nothing AdamW looks at are one tensor for it."""
        configs = zip(rates, self.configs, self.steps, strict=False)
        settings = [(rate, *config.betas, config.weight_decay, steps) for rate, config, steps in configs]
        start = 0
        for (rate, beta1, beta2, decay, steps), members in groupby(settings):
            span = slice(start, start := start + len(list(members)))
            counts = torch.full((len(parameters),), float(steps), device=parameters[0].device)
            adamw(
                [tensor[span] for tensor in parameters],
                [tensor[span] for tensor in gradients],
                [tensor[span] for tensor in network.moments["exp_avg"]],
                [tensor[span] for tensor in network.moments["exp_avg_sq"]],
                max_exp_avg_sqs=[],
                state_steps=list(counts.unbind()),
                fused=True,
                amsgrad=False,
                maximize=False,
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                weight_decay=decay,
                eps=ADAM_EPS,
            )

    def generator_state(self, run: int) -> dict[str, Tensor]:
        """A run's generator by the plain network's names."""
        return self.generator.state(run)

    def state(self, run: int) -> dict[str, Tensor]:
        """Both networks and their moments."""
        steps = self.steps[run]
        state: dict[str, Tensor] = {}
        for prefix, network in (("g", self.generator), ("d", self.discriminator)):
            state |= {f"{prefix}/{name}": tensor for name, tensor in network.state(run).items()}
            state |= {f"{prefix}-moments/{name}": tensor for name, tensor in network.moments_state(run, steps).items()}
        return state

    def load_state(self, run: int, state: dict[str, Tensor]) -> None:
        """Go on from a former `state`."""
        for prefix, network in (("g", self.generator), ("d", self.discriminator)):
            moments = under(f"{prefix}-moments/", state)
            network.load(run, under(f"{prefix}/", state), moments)
            self.steps[run] = int(moments["0/step"]) if moments else 0

    def keep(self, runs: Sequence[int]) -> None:
        """Let go of all other runs; those that stay are numbered anew."""
        self.generator.keep(runs)
        self.discriminator.keep(runs)
        self.g_limits_NR, self.d_limits_NR = self.g_limits_NR[:, list(runs)], self.d_limits_NR[:, list(runs)]
        self.configs, self.steps = [self.configs[r] for r in runs], [self.steps[r] for r in runs]
