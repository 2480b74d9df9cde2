"""What every generator network must do. In a test module of one's own, after its plugin is loaded:

    class TestMine(GeneratorContract):
        name = "mine"
        settings = {"layers": 2}

Shape suffixes: A runs, B batch, D feature width, Z width of the noise, P context tokens, W text width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from spg_dist.gan.clipping import generator_limits
from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.stacked import StackedNetwork, dropouts
from spg_dist.gan.step import AdversarialStep, StepInputs
from spg_dist.gan.training import build_generator
from spg_dist.generators import GENERATORS, Generator, Sizes

RUNS, BATCH = 3, 5


class GeneratorContract:
    """Tests of one network, in float64 where results are compared but for the last bits."""

    name: ClassVar[str]
    """What `stage2.generator` calls it."""

    settings: ClassVar[Mapping[str, Any]] = {}
    """`stage2.generator_settings` under test; small ones make quick tests."""

    fields: ClassVar[Mapping[str, Any]] = {}
    """Other fields of `stage2`, e.g. {"g_widths": [8, 12]}."""

    sizes: ClassVar[tuple[Sizes, ...]] = (Sizes(16, 4, 8), Sizes(8, 1, 12))
    """Feature width, context tokens and text width that it must fit."""

    @property
    def config(self) -> GanConfig:
        """The configuration under test."""
        return GanConfig(generator=self.name, generator_settings=dict(self.settings), d_width=6, **self.fields)

    def built(self, seed: int = 1, sizes: Sizes | None = None) -> Generator:
        """An untrained network in float64."""
        sizes = sizes or self.sizes[0]
        return build_generator(self.config, sizes.feature_width, sizes.n_ctx, sizes.text_width, seed).double()

    def test_it_is_found_by_its_name_and_its_settings_can_be_recorded(self) -> None:
        assert GENERATORS[self.name].name == self.name
        assert json.loads(json.dumps(asdict(self.config.network_settings))) is not None

    def test_prompts_have_the_shape_that_is_asked_for(self) -> None:
        for sizes in self.sizes:
            network = self.built(sizes=sizes).eval()
            prompts_BPW = network(*_inputs(network, sizes))
            assert network.prompt_shape == (sizes.n_ctx, sizes.text_width)
            assert prompts_BPW.shape == (BATCH, sizes.n_ctx, sizes.text_width)
            assert bool(prompts_BPW.isfinite().all())

    def test_a_seed_fixes_the_initial_weights_whatever_else_is_drawn(self) -> None:
        first = self.built().state_dict()
        torch.rand(7)
        again, other = self.built().state_dict(), self.built(seed=2).state_dict()
        torch.rand(7)
        assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
        assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())
        state = torch.get_rng_state()
        self.built()
        assert torch.equal(torch.get_rng_state(), state), "building it draws from torch's own generator"

    def test_every_parameter_has_a_group_and_takes_part(self) -> None:
        network = self.built().train()
        assert len(generator_limits(network, self.config.clip_norms)) == len(list(network.parameters()))
        loss = network(*_inputs(network, self.sizes[0])).square().sum()
        torch.autograd.grad(loss, list(network.parameters()))

    def test_all_that_is_random_is_handed_in(self) -> None:
        network = self.built().train()
        state, given, factors = torch.get_rng_state(), _inputs(network, self.sizes[0]), _factors(network)
        named = {f"{name}.factor": factor for name, factor in zip(dropouts(network), factors, strict=True)}
        first, again = (functional_call(network, named, given) for _ in range(2))
        assert torch.equal(first, again)
        assert torch.equal(torch.get_rng_state(), state), "it draws from torch's own generator"

    def test_an_images_prompt_is_the_same_among_others(self) -> None:
        network = self.built().eval()
        z_BZ, x_BD = _inputs(network, self.sizes[0])
        together = network(z_BZ, x_BD)
        for image in range(BATCH):
            alone = network(z_BZ[image : image + 1], x_BD[image : image + 1])
            _assert_close(together[image : image + 1], alone)

    def test_many_runs_at_once_are_each_what_they_are_alone(self) -> None:
        """Prompts, gradients, and buffers such as BatchNorm's statistics; on an accelerator and on a processor."""
        for mapped in (False, True):
            networks = [self.built(seed) for seed in range(RUNS)]
            stack = StackedNetwork(networks)
            stack.mapped = mapped
            given = [_inputs(network, self.sizes[0], seed) for seed, network in enumerate(networks)]
            factors = [_factors(network, seed) for seed, network in enumerate(networks)]
            leaves = stack.of_first(RUNS)
            out_ABPW = stack(leaves, *_beside_each([list(one) for one in given]), factors=_beside_each(factors))
            gradients = torch.autograd.grad(out_ABPW.square().sum(), leaves)
            for run, network in enumerate(networks):
                network.train()
                named = {f"{name}.factor": one for name, one in zip(dropouts(network), factors[run], strict=True)}
                alone_BPW = functional_call(network, named, given[run])
                _assert_close(out_ABPW[run], alone_BPW)
                own = torch.autograd.grad(alone_BPW.square().sum(), list(network.parameters()))
                for gradient, expected in zip(gradients, own, strict=True):
                    _assert_close(gradient[run], expected)
                for name, tensor in network.state_dict().items():
                    _assert_close(stack.state(run)[name], tensor)

    def test_a_run_resumed_from_its_state_has_the_bits_of_an_undisturbed_one(self) -> None:
        whole, resumed = self._step(), self._step(seed=2)
        for step in range(4):
            whole(self._step_inputs(step), [2e-3])
            if step == 1:
                resumed.load_state(0, {name: tensor.clone() for name, tensor in whole.state(0).items()})
            if step > 1:
                resumed(self._step_inputs(step), [2e-3])
        for name, tensor in whole.state(0).items():
            assert torch.equal(resumed.state(0)[name], tensor), name

    def _step(self, seed: int = 1) -> AdversarialStep:
        discriminator = Discriminator(self.sizes[0], self.config.d_width, 0.0).double()
        return AdversarialStep([self.built(seed)], [discriminator], [self.config], [True])

    def _step_inputs(self, step: int) -> StepInputs:
        network, sizes = self.built(), self.sizes[0]
        z_BZ, x_BD = _inputs(network, sizes, step)
        label_BPW = torch.ones(BATCH, sizes.n_ctx, sizes.text_width, dtype=torch.float64)
        factors = _beside_each([_factors(network)])
        return StepInputs(label_BPW[None], x_BD.flip(0)[None], x_BD[None], z_BZ[None], None, factors)


def _assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def _inputs(network: Generator, sizes: Sizes, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    widths = network.noise_width, sizes.feature_width
    z_BZ, x_BD = (torch.randn(BATCH, width, generator=random, dtype=torch.float64) for width in widths)
    return z_BZ, x_BD


def _factors(network: Generator, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    layers = dropouts(network).values()
    drawn = [torch.rand(BATCH, *layer.shape, generator=random, dtype=torch.float64) for layer in layers]
    return [uniform.ge(0.5).double() * 2 for uniform in drawn]


def _beside_each(runs: list[list[Tensor]]) -> list[Tensor]:
    """Tensors of all runs, (A, B, ...) each."""
    return [torch.stack(layer) for layer in zip(*runs, strict=True)]
