"""One adversarial step of stage 2 (SPG section 3.3, equations 4 and 5, with least-squares losses).

Shape suffixes: B batch, D feature width, Z latent width, P context tokens, W text width, U hidden width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spg_dist.gan.clipping import clip_each, discriminator_limits, generator_limits
from spg_dist.gan.config import GanConfig
from spg_dist.gan.networks import Discriminator, Generator


@dataclass(frozen=True)
class StepInputs:
    """All that is random in a step, drawn outside it.

    Arguments:
        label_BPW: prompt label of each real image's domain.
        real_BD: real batch of features.
        fake_BD: another batch of features, which the generator makes prompts for.
        z_BZ: noise of the one generator pass.
        keep_32BU: dropout masks of the three discriminator passes (real, fake, fake again after D's update); None = no
            dropout.
    """

    label_BPW: Tensor
    real_BD: Tensor
    fake_BD: Tensor
    z_BZ: Tensor
    keep_32BU: tuple[Tensor | None, Tensor | None, Tensor | None]


@dataclass(frozen=True)
class StepLosses:
    """Scalar losses and gradient norms of one step.

    Arguments:
        d_loss: d_real + d_fake, before D's update.
        g_loss: after D's and before G's update.
        norms: norm of each parameter's gradient before clipping, D's parameters then G's.
    """

    d_loss: Tensor
    g_loss: Tensor
    norms: Tensor


class AdversarialStep:
    """Both networks, their optimizers and limits. Calling it makes one step.

    Arguments:
        clip: False trains without gradient clipping.
    """

    def __init__(
        self, generator: Generator, discriminator: Discriminator, config: GanConfig, clip: bool = True
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.g_parameters, self.d_parameters = list(generator.parameters()), list(discriminator.parameters())
        self.g_optimizer, self.d_optimizer = (
            torch.optim.AdamW(
                parameters,
                lr=config.learning_rate,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=True,
            )
            for parameters in (self.g_parameters, self.d_parameters)
        )
        like = self.g_parameters[0]
        no_limit = float("inf")
        self.g_limits, self.d_limits = (
            torch.tensor(limits if clip else [no_limit] * len(limits), dtype=like.dtype, device=like.device)
            for limits in (
                generator_limits(generator, config.clip_norms),
                discriminator_limits(discriminator, config.clip_norms),
            )
        )

    def set_learning_rate(self, rate: float) -> None:
        for optimizer in (self.g_optimizer, self.d_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def __call__(self, inputs: StepInputs) -> StepLosses:
        """Update D on (label, x) against 1 and (G(z, x'), x') against 0, then G through the updated D against 1."""
        keep_real, keep_fake, keep_again = inputs.keep_32BU
        self.generator.train()
        real_B1 = self.discriminator(inputs.label_BPW, inputs.real_BD, keep_real)
        prompt_BPW = self.generator(inputs.z_BZ, inputs.fake_BD)
        fake_B1 = self.discriminator(prompt_BPW.detach(), inputs.fake_BD, keep_fake)
        d_loss = (real_B1 - 1).square().mean() + fake_B1.square().mean()
        self.d_optimizer.zero_grad()
        d_loss.backward()
        d_norms = clip_each(self.d_parameters, self.d_limits)
        self.d_optimizer.step()

        for parameter in self.d_parameters:
            parameter.requires_grad_(False)
        g_loss = (self.discriminator(prompt_BPW, inputs.fake_BD, keep_again) - 1).square().mean()
        self.g_optimizer.zero_grad()
        g_loss.backward()
        for parameter in self.d_parameters:
            parameter.requires_grad_(True)
        g_norms = clip_each(self.g_parameters, self.g_limits)
        self.g_optimizer.step()
        return StepLosses(d_loss.detach(), g_loss.detach(), torch.cat([d_norms, g_norms]))
