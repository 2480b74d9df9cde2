"""Shapes, BatchNorm, dropout and initial weights of generator and discriminator, without golden records."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.training import build_generator
from spg_dist.generators import Dropout, Generator, Sizes
from spg_dist.generators.mlp import BATCH_NORM_EPS


def perceptron(width: int, latent: int, widths: list[int], n_ctx: int, text_width: int, seed: int = 0) -> Generator:
    return build_generator(GanConfig(latent_width=latent, g_widths=widths), width, n_ctx, text_width, seed)


@pytest.mark.parametrize(("width", "n_ctx", "text_width"), [(512, 4, 512), (1024, 4, 512), (64, 2, 48), (128, 1, 64)])
def test_generator_and_discriminator_fit_any_clip(width: int, n_ctx: int, text_width: int) -> None:
    generator = perceptron(width, 100, [16, 32], n_ctx, text_width)
    discriminator = Discriminator(Sizes(width, n_ctx, text_width), 24, 0.4)
    x_BD = torch.randn(5, width)
    prompts = generator(torch.randn(5, 100), x_BD)
    assert prompts.shape == (5, n_ctx, text_width)
    assert prompts.abs().max() <= 1
    assert discriminator(prompts, x_BD).shape == (5, 1)


def test_parameter_names_and_shapes_are_the_published_ones() -> None:
    generator = {n: tuple(p.shape) for n, p in perceptron(512, 100, [128, 256, 512, 1024], 4, 512).named_parameters()}
    assert generator == {
        "model.0.weight": (128, 612),
        "model.0.bias": (128,),
        "model.2.weight": (256, 128),
        "model.2.bias": (256,),
        "model.3.weight": (256,),
        "model.3.bias": (256,),
        "model.5.weight": (512, 256),
        "model.5.bias": (512,),
        "model.6.weight": (512,),
        "model.6.bias": (512,),
        "model.8.weight": (1024, 512),
        "model.8.bias": (1024,),
        "model.9.weight": (1024,),
        "model.9.bias": (1024,),
        "model.11.weight": (2048, 1024),
        "model.11.bias": (2048,),
    }
    discriminator = {n: tuple(p.shape) for n, p in Discriminator(Sizes(512, 4, 512), 512, 0.4).named_parameters()}
    assert discriminator == {
        "model.0.weight": (512, 2560),
        "model.0.bias": (512,),
        "model.2.weight": (512, 512),
        "model.2.bias": (512,),
        "model.5.weight": (512, 512),
        "model.5.bias": (512,),
        "model.8.weight": (1, 512),
        "model.8.bias": (1,),
    }


def test_batch_norm_has_eps_of_eight_tenths_and_momentum_of_a_tenth() -> None:
    norms = [m for m in perceptron(8, 4, [8, 16, 32], 2, 4).modules() if isinstance(m, nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == [16, 32]
    assert {norm.eps for norm in norms} == {0.8} == {BATCH_NORM_EPS}
    assert {norm.momentum for norm in norms} == {0.1}


def slow_generator(network: Generator, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Line by line, with batch statistics."""
    p = dict(network.named_parameters())
    h = torch.cat([z, x], dim=1) @ p["model.0.weight"].T + p["model.0.bias"]
    h = torch.where(h > 0, h, 0.2 * h)
    for linear, norm in (("model.2", "model.3"), ("model.5", "model.6")):
        h = h @ p[f"{linear}.weight"].T + p[f"{linear}.bias"]
        mean, variance = h.mean(dim=0), h.var(dim=0, unbiased=False)
        h = (h - mean) / (variance + 0.8).sqrt() * p[f"{norm}.weight"] + p[f"{norm}.bias"]
        h = torch.where(h > 0, h, 0.2 * h)
    h = h @ p["model.8.weight"].T + p["model.8.bias"]
    return torch.tanh(h).reshape(len(z), *network.prompt_shape)


def test_generator_equals_slow_arithmetic_in_training_mode() -> None:
    torch.manual_seed(0)
    network = perceptron(6, 4, [8, 12, 16], 2, 5).double()
    z, x = torch.randn(7, 4).double(), torch.randn(7, 6).double()
    torch.testing.assert_close(network.train()(z, x), slow_generator(network, z, x), rtol=1e-12, atol=1e-12)


def test_discriminator_with_masks_equals_torchs_dropout_of_the_same_masks() -> None:
    """nn.Dropout draws its own mask: it is read back from its output on ones, then given to ours."""
    torch.manual_seed(0)
    ours = Discriminator(Sizes(6, 2, 5), 64, 0.4).double()
    plain = nn.Sequential(*[nn.Dropout(0.4) if isinstance(layer, Dropout) else layer for layer in ours.model])
    prompt, x = torch.randn(9, 2, 5).double(), torch.randn(9, 6).double()
    masks: list[torch.Tensor] = []
    for layer in (plain[3], plain[6]):
        layer.register_forward_hook(lambda _, inputs, output: masks.append(output / inputs[0] > 0.5))
    expected = plain.train()(torch.cat([prompt.flatten(1), x], dim=1))
    factors = {f"model.{layer}.factor": mask.double() / 0.6 for layer, mask in zip((3, 6), masks, strict=True)}
    torch.testing.assert_close(functional_call(ours, factors, (prompt, x)), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours(prompt, x), plain.eval()(torch.cat([prompt.flatten(1), x], dim=1)))


def test_initial_weights_are_he_uniform_and_fixed_by_the_seed() -> None:
    """nonlinearity leaky_relu with a = 0, as the published code calls it: bound sqrt(6 / inputs)."""
    network, same, other = (perceptron(412, 100, [256, 128], 4, 64, seed) for seed in (1, 1, 2))
    for layer in (m for m in network.modules() if isinstance(m, nn.Linear)):
        bound = (6 / layer.in_features) ** 0.5
        assert 0.98 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.bias.detach().abs().max()) <= layer.in_features**-0.5
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), same.parameters(), strict=True))
    assert not torch.equal(network.get_parameter("model.0.weight"), other.get_parameter("model.0.weight"))
