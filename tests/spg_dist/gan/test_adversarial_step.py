"""One adversarial step against a slow, obvious one: torch's clip_grad_norm_ tensor by tensor, AdamW written out."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.gan.clipping import clip_each, discriminator_limits, generator_limits
from spg_dist.gan.config import ClipNorms, GanConfig
from spg_dist.gan.networks import Discriminator, Generator
from spg_dist.gan.step import AdversarialStep, StepInputs

GENERAL = ClipNorms()
D_LIMITS = {"0": (5.0, 5.0), "2": (5e-2, 5e-1), "5": (5e-2, 5e-1), "8": (5.0, 5.0)}


def networks(dtype: torch.dtype = torch.float64) -> tuple[Generator, Discriminator]:
    torch.manual_seed(5)
    return Generator(6, 4, [8, 12, 16, 24], 2, 5).to(dtype), Discriminator(6, 16, 2, 5, dropout=0.4).to(dtype)


def inputs(step: int, dtype: torch.dtype = torch.float64) -> StepInputs:
    random = torch.Generator().manual_seed(step)
    keeps = torch.rand(3, 2, 10, 16, generator=random) >= 0.4
    label, real, fake, z = (torch.randn(10, *shape, generator=random).to(dtype) for shape in ((2, 5), (6,), (6,), (4,)))
    return StepInputs(label, real, fake, z, (keeps[0], keeps[1], keeps[2]))


def test_limits_go_by_place_in_the_networks() -> None:
    generator, discriminator = networks()
    d_names = [name for name, _ in discriminator.named_parameters()]
    assert dict(zip(d_names, discriminator_limits(discriminator, GENERAL), strict=True)) == {
        f"model.{layer}.{kind}": D_LIMITS[layer][kind == "bias"] for layer in D_LIMITS for kind in ("weight", "bias")
    }
    g_names = [name for name, _ in generator.named_parameters()]
    limits = dict(zip(g_names, generator_limits(generator, GENERAL), strict=True))
    assert {limits[name] for name in g_names if name.endswith("weight")} == {5e-3}
    assert {name for name in g_names if limits[name] == 1.0} == {"model.9.bias", "model.11.bias"}
    assert {name for name in g_names if limits[name] == 5e-8} == {f"model.{i}.bias" for i in (0, 2, 3, 5, 6, 8)}


@pytest.mark.parametrize("norm", [1e-9, 4e-8, 5e-8, 6e-8, 1e-6, 4.999, 5.0, 5.001, 1e3])
@pytest.mark.parametrize("limit", [5e-8, 5.0, float("inf")])
def test_clipping_equals_torchs_where_the_norm_is_above_the_limit_and_nothing_elsewhere(
    norm: float, limit: float
) -> None:
    direction = F.normalize(torch.arange(1.0, 8.0, dtype=torch.float64), dim=0)
    ours, oracle = nn.Parameter(torch.zeros(7).double()), nn.Parameter(torch.zeros(7).double())
    ours.grad, oracle.grad = direction * norm, direction * norm
    norms = clip_each([ours], torch.tensor([limit], dtype=torch.float64))
    if float(oracle.grad.norm()) > limit:
        nn.utils.clip_grad_norm_([oracle], limit)
    torch.testing.assert_close(ours.grad, oracle.grad, rtol=1e-13, atol=0)
    assert float(norms[0]) == pytest.approx(norm, rel=1e-12)


class SlowAdamW:
    """Decoupled weight decay, then Adam (betas 0.9, 0.999, eps 1e-8), one tensor at a time."""

    def __init__(self, parameters: list[nn.Parameter], rate: float, decay: float = 1e-4) -> None:
        self.parameters, self.rate, self.decay, self.t = parameters, rate, decay, 0
        self.m = [torch.zeros_like(p) for p in parameters]
        self.v = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self) -> None:
        self.t += 1
        for k, p in enumerate(self.parameters):
            assert p.grad is not None
            self.m[k] = 0.9 * self.m[k] + 0.1 * p.grad
            self.v[k] = 0.999 * self.v[k] + 0.001 * p.grad**2
            m, v = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.999**self.t)
            p.copy_(p * (1 - self.rate * self.decay) - self.rate * m / (v.sqrt() + 1e-8))


def slow_clip(network: nn.Module, limits: list[float]) -> None:
    for parameter, limit in zip(network.parameters(), limits, strict=True):
        assert parameter.grad is not None
        if float(parameter.grad.norm()) > limit:
            nn.utils.clip_grad_norm_([parameter], limit)


class SlowStep:
    """The step as the paper tells it: two backward passes, nothing shared, nothing skipped."""

    def __init__(
        self, generator: Generator, discriminator: Discriminator, rate: float, norms: ClipNorms | None
    ) -> None:
        self.g, self.d, self.norms = generator, discriminator, norms
        self.g_adam, self.d_adam = (SlowAdamW(list(n.parameters()), rate) for n in (generator, discriminator))

    def __call__(self, i: StepInputs) -> tuple[float, float]:
        real, fake, again = i.keep_32BU
        self.g.train()
        prompt = self.g(i.z_BZ, i.fake_BD)
        valid = self.d(i.label_BPW, i.real_BD, real)
        false = self.d(prompt.detach(), i.fake_BD, fake)
        d_loss: Tensor = F.mse_loss(valid, torch.ones_like(valid)) + F.mse_loss(false, torch.zeros_like(false))
        self.d.zero_grad()
        d_loss.backward()
        if self.norms:
            slow_clip(self.d, discriminator_limits(self.d, self.norms))
        self.d_adam.step()
        valid = self.d(prompt, i.fake_BD, again)
        g_loss: Tensor = F.mse_loss(valid, torch.ones_like(valid))
        self.g.zero_grad()
        g_loss.backward()
        if self.norms:
            slow_clip(self.g, generator_limits(self.g, self.norms))
        self.g_adam.step()
        return float(d_loss.detach()), float(g_loss.detach())


@pytest.mark.parametrize("norms", [GENERAL, ClipNorms(d_weight=0.5, g_weight=5e-2, g_bias_last=5.0, g_bias=5e-7), None])
def test_ten_steps_equal_the_slow_ones(norms: ClipNorms | None) -> None:
    generator, discriminator = networks()
    slow = SlowStep(copy.deepcopy(generator), copy.deepcopy(discriminator), 2e-3, norms)
    step = AdversarialStep(generator, discriminator, GanConfig(clip_norms=norms or GENERAL), clip=norms is not None)
    for t in range(10):
        d_loss, g_loss = slow(inputs(t))
        done = step(inputs(t))
        assert float(done.d_loss) == pytest.approx(d_loss, rel=1e-9)
        assert float(done.g_loss) == pytest.approx(g_loss, rel=1e-9)
    for ours, oracle in ((generator, slow.g), (discriminator, slow.d)):
        for (name, actual), expected in zip(ours.state_dict().items(), oracle.state_dict().values(), strict=True):
            torch.testing.assert_close(
                actual, expected, rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )


def test_the_learning_rate_is_set_for_both_optimizers() -> None:
    step = AdversarialStep(*networks(), GanConfig())
    step.set_learning_rate(1.5e-4)
    assert {g["lr"] for o in (step.g_optimizer, step.d_optimizer) for g in o.param_groups} == {1.5e-4}


def test_a_step_leaves_the_discriminator_trainable_and_moves_batch_norm_once() -> None:
    generator, discriminator = networks()
    AdversarialStep(generator, discriminator, GanConfig())(inputs(0))
    assert all(parameter.requires_grad for parameter in discriminator.parameters())
    assert {int(b) for n, b in generator.named_buffers() if "num_batches" in n} == {1}
