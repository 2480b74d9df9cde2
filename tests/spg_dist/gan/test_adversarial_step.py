"""One adversarial step against a slow, obvious one: torch's clip_grad_norm_ tensor by tensor, AdamW written out.

Many runs side by side are each their own slow one, and on a CPU each has the bits it has alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.gan.clipping import clip_each, discriminator_limits, generator_limits
from spg_dist.gan.config import ClipNorms, GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.step import AdversarialStep, StepInputs
from spg_dist.gan.training import build_generator
from spg_dist.generators import Generator, Sizes
from spg_dist.training.optimizers import under

GENERAL = ClipNorms()


@pytest.fixture(autouse=True)
def same_threads_after() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


D_LIMITS = {"0": (5.0, 5.0), "2": (5e-2, 5e-1), "5": (5e-2, 5e-1), "8": (5.0, 5.0)}


def networks(seed: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Generator, Discriminator]:
    torch.manual_seed(seed)
    generator = build_generator(GanConfig(latent_width=4, g_widths=[8, 12, 16, 24]), 6, 2, 5, seed)
    return generator.to(dtype), Discriminator(Sizes(6, 2, 5), 16, 0.4).to(dtype)


def judged(network: Discriminator, prompt_BPW: Tensor, x_BD: Tensor, keep_2BU: Tensor) -> Tensor:
    """Validity (B, 1) with these units kept."""
    factors = {f"model.{layer}.factor": kept.to(x_BD.dtype) / 0.6 for layer, kept in zip((3, 6), keep_2BU, strict=True)}
    return torch.func.functional_call(network, factors, (prompt_BPW, x_BD))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class PlainInputs:
    """A step of one run as the slow oracle reads it; `keep_32BU` of the passes real, fake and fake again."""

    label_BPW: Tensor
    real_BD: Tensor
    fake_BD: Tensor
    z_BZ: Tensor
    keep_32BU: Tensor


def inputs(step: int, run: int = 0, batch: int = 10) -> PlainInputs:
    random = torch.Generator().manual_seed(1000 * run + step)
    keeps = torch.rand(3, 2, batch, 16, generator=random) >= 0.4
    shapes = (2, 5), (6,), (6,), (4,)
    label, real, fake, z = (torch.randn(batch, *shape, generator=random).double() for shape in shapes)
    return PlainInputs(label, real, fake, z, keeps)


def side_by_side(*runs: PlainInputs, dropout: float = 0.4, dtype: torch.dtype = torch.float64) -> StepInputs:
    """The same steps as the batched program reads them."""
    factors = [run.keep_32BU.transpose(0, 1).flatten(1, 2).to(dtype) / (1 - dropout) for run in runs]
    stacked = (
        torch.stack([getattr(run, name) for run in runs]).to(dtype)
        for name in ("label_BPW", "real_BD", "fake_BD", "z_BZ")
    )
    return StepInputs(*stacked, torch.stack(factors, dim=1))


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
    """The first of two runs has the limit, the second none."""
    direction = F.normalize(torch.arange(1.0, 8.0, dtype=torch.float64), dim=0)
    oracle = nn.Parameter(torch.zeros(7).double())
    oracle.grad = direction * norm
    ours = torch.stack([direction * norm] * 2)
    norms = clip_each([ours], torch.tensor([[limit, float("inf")]], dtype=torch.float64))
    if float(oracle.grad.norm()) > limit:
        nn.utils.clip_grad_norm_([oracle], limit)
    torch.testing.assert_close(ours[0], oracle.grad, rtol=1e-13, atol=0)
    assert torch.equal(ours[1], direction * norm)
    assert norms.tolist() == [pytest.approx([norm] * 2, rel=1e-12)]


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
        self,
        generator: Generator,
        discriminator: Discriminator,
        rate: float,
        norms: ClipNorms | None,
        d_rate: float | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    ) -> None:
        self.g, self.d, self.norms, self.loss = generator, discriminator, norms, loss
        self.g_adam = SlowAdamW(list(generator.parameters()), rate)
        self.d_adam = SlowAdamW(list(discriminator.parameters()), rate if d_rate is None else d_rate)

    def __call__(self, i: PlainInputs) -> tuple[float, float]:
        real, fake, again = i.keep_32BU
        self.g.train()
        prompt = self.g(i.z_BZ, i.fake_BD)
        valid = judged(self.d, i.label_BPW, i.real_BD, real)
        false = judged(self.d, prompt.detach(), i.fake_BD, fake)
        d_loss = self.loss(valid, torch.ones_like(valid)) + self.loss(false, torch.zeros_like(false))
        self.d.zero_grad()
        d_loss.backward()
        if self.norms:
            slow_clip(self.d, discriminator_limits(self.d, self.norms))
        self.d_adam.step()
        valid = judged(self.d, prompt, i.fake_BD, again)
        g_loss = self.loss(valid, torch.ones_like(valid))
        self.g.zero_grad()
        g_loss.backward()
        if self.norms:
            slow_clip(self.g, generator_limits(self.g, self.norms))
        self.g_adam.step()
        return float(d_loss.detach()), float(g_loss.detach())


OTHER = ClipNorms(d_weight=0.5, g_weight=5e-2, g_bias_last=5.0, g_bias=5e-7)


def assert_same_networks(state: dict[str, Tensor], slow: SlowStep) -> None:
    for prefix, oracle in (("g/", slow.g), ("d/", slow.d)):
        ours = under(prefix, state)
        assert ours.keys() == oracle.state_dict().keys()
        for name, expected in oracle.state_dict().items():
            torch.testing.assert_close(
                ours[name], expected, rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )


def assert_ten_equal_steps(step: AdversarialStep, slow: SlowStep) -> None:
    for t in range(10):
        d_loss, g_loss = slow(inputs(t))
        done = step(side_by_side(inputs(t)), [2e-3])
        assert done.d_loss_A.tolist() == [pytest.approx(d_loss, rel=1e-9)]
        assert done.g_loss_A.tolist() == [pytest.approx(g_loss, rel=1e-9)]
    assert_same_networks(step.state(0), slow)


@pytest.mark.parametrize("norms", [GENERAL, OTHER, None])
def test_ten_steps_equal_the_slow_ones(norms: ClipNorms | None) -> None:
    generator, discriminator = networks()
    slow = SlowStep(copy.deepcopy(generator), copy.deepcopy(discriminator), 2e-3, norms)
    step = AdversarialStep([generator], [discriminator], [GanConfig(clip_norms=norms or GENERAL)], [norms is not None])
    assert_ten_equal_steps(step, slow)


def test_cross_entropy_and_a_discriminator_of_another_rate_equal_the_slow_steps() -> None:
    generator, discriminator = networks()
    pair = copy.deepcopy((generator, discriminator))
    slow = SlowStep(*pair, rate=2e-3, norms=GENERAL, d_rate=5e-4, loss=F.binary_cross_entropy_with_logits)
    config = GanConfig(loss="cross-entropy", d_learning_rate_factor=0.25)
    assert_ten_equal_steps(AdversarialStep([generator], [discriminator], [config], [True]), slow)


def test_runs_side_by_side_equal_slow_ones_with_settings_of_their_own() -> None:
    """Limits, rates and numbers of steps differ: the third run has made two more, the fourth stops after six."""
    norms, rates = (GENERAL, OTHER, OTHER, None), (2e-3, 2e-3, 1e-3, 5e-4)
    pairs = [networks(seed) for seed in range(4)]
    slow = [SlowStep(*copy.deepcopy(pair), r, n) for pair, r, n in zip(pairs, rates, norms, strict=True)]
    configs = [GanConfig(clip_norms=n or GENERAL) for n in norms]
    ahead = AdversarialStep([pairs[2][0]], [pairs[2][1]], configs[2:3], [True])
    for t in (20, 21):
        slow[2](inputs(t, 2))
        ahead(side_by_side(inputs(t, 2)), rates[2:3])
    step = AdversarialStep([g for g, _ in pairs], [d for _, d in pairs], configs, [n is not None for n in norms])
    step.load_state(2, ahead.state(0))
    for t in range(9):
        A = 4 if t < 6 else 3
        given = [inputs(t, run) for run in range(A)]
        expected = [slow[run](given[run]) for run in range(A)]
        done = step(side_by_side(*given), rates[:A])
        for run, (d_loss, g_loss) in enumerate(expected):
            assert float(done.d_loss_A[run]) == pytest.approx(d_loss, rel=1e-9), (t, run)
            assert float(done.g_loss_A[run]) == pytest.approx(g_loss, rel=1e-9), (t, run)
    for run in range(4):
        assert_same_networks(step.state(run), slow[run])
    assert step.steps == [9, 9, 11, 6]


def test_runs_that_are_let_go_leave_the_others_as_they_were() -> None:
    """Those that stay keep their weights, moments, limits and settings, and train on as if alone."""
    pairs = [networks(seed) for seed in range(4)]
    configs = [GanConfig(betas=(0.5 + 0.1 * run, 0.99), clip_norms=(GENERAL, OTHER)[run % 2]) for run in range(4)]
    clips = [True, False, True, True]
    step = AdversarialStep([g for g, _ in pairs], [d for _, d in pairs], configs, clips)
    alone = {r: AdversarialStep([pairs[r][0]], [pairs[r][1]], [configs[r]], [clips[r]]) for r in (1, 3)}
    step(side_by_side(*(inputs(0, run) for run in range(4))), [2e-3] * 4)
    step.keep([1, 3])
    step(side_by_side(inputs(1, 1), inputs(1, 3)), [2e-3] * 2)
    assert step.steps == [2, 2]
    for place, (run, one) in enumerate(alone.items()):
        for t in (0, 1):
            one(side_by_side(inputs(t, run)), [2e-3])
        for name, tensor in one.state(0).items():
            torch.testing.assert_close(step.state(place)[name], tensor, rtol=1e-9, atol=1e-12)


def test_a_step_moves_batch_norm_once() -> None:
    generator, discriminator = networks()
    step = AdversarialStep([generator], [discriminator], [GanConfig()], [True])
    step(side_by_side(inputs(0)), [2e-3])
    assert {int(t) for n, t in step.generator_state(0).items() if "num_batches" in n} == {1}
