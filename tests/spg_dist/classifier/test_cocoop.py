"""CoCoOp's loss and gradient against one image at a time on the plain text path; where its parameters start."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.methods.cocoop import CocoopConfig
from spg_dist.methods.cocoop.network import Cocoop
from spg_dist.training.seeds import torch_random

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
SCALE = 14.0


def classifier(encoder: PromptEncoder, seed: int = 1, feature_width: int = 32) -> Cocoop:
    first_PW = torch.randn(3, 16, generator=torch.Generator().manual_seed(5))
    return Cocoop(encoder, first_PW, feature_width, SCALE, torch_random(seed, "meta-net"))


def slow_loss(encoder: PromptEncoder, weights: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
    """The mean over images of -log softmax of the label, each image with a prompt and texts of its own."""
    losses = []
    for x_D, label in zip(batch[0], batch[1], strict=True):
        hidden = (weights["meta_net.0.weight"] @ x_D + weights["meta_net.0.bias"]).clamp(min=0)
        shift = weights["meta_net.2.weight"] @ hidden + weights["meta_net.2.bias"]
        prompt = torch.stack([token + shift for token in weights["context_PW"]])
        texts = F.normalize(encoder.plain(prompt[None])[0], dim=-1)
        losses.append(-torch.log_softmax(SCALE * texts @ x_D, dim=0)[label])
    return torch.stack(losses).mean()


def test_loss_and_gradient_equal_a_slow_loop_over_images(encoder: PromptEncoder, batch: Batch) -> None:
    made = classifier(encoder).double()
    weights = {name: tensor.clone().requires_grad_() for name, tensor in made.state_dict().items()}
    expected = slow_loss(encoder, weights, batch)
    gradients = torch.autograd.grad(expected, list(weights.values()))
    loss = F.cross_entropy(made(batch[0], batch[2]), batch[1])
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    for (name, parameter), gradient in zip(made.named_parameters(), gradients, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-8, atol=1e-12, msg=name)


def test_the_meta_net_is_a_sixteenth_as_wide_and_starts_within_its_bounds(encoder: PromptEncoder) -> None:
    weights = classifier(encoder).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    assert shapes == {
        "context_PW": (3, 16),
        "meta_net.0.weight": (2, 32),
        "meta_net.0.bias": (2,),
        "meta_net.2.weight": (16, 2),
        "meta_net.2.bias": (16,),
    }
    assert 0.5 * 32**-0.5 < float(weights["meta_net.0.weight"].abs().max()) <= 32**-0.5
    assert 0.5 * 2**-0.5 < float(weights["meta_net.2.weight"].abs().max()) <= 2**-0.5


def test_the_meta_net_depends_on_its_seed_alone(encoder: PromptEncoder) -> None:
    first, other = classifier(encoder).state_dict(), classifier(encoder, seed=2).state_dict()
    torch.rand(3)
    assert all(torch.equal(tensor, first[name]) for name, tensor in classifier(encoder).state_dict().items())
    assert not torch.equal(first["meta_net.0.weight"], other["meta_net.0.weight"])


def test_features_narrower_than_a_sixteenth_still_have_a_hidden_unit(encoder: PromptEncoder) -> None:
    assert classifier(encoder, feature_width=6).state_dict()["meta_net.0.weight"].shape == (1, 6)


def test_an_image_is_classified_without_regard_to_the_others(encoder: PromptEncoder, batch: Batch) -> None:
    made = classifier(encoder).double()
    with torch.no_grad():
        whole, alone = made(batch[0], batch[2]), made(batch[0][2:3], batch[2][2:3])
    torch.testing.assert_close(whole[2:3], alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("field", ["epochs", "batch_size", "n_ctx"])
def test_a_setting_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 0"):
        CocoopConfig(**{field: 0})
