"""DPL's loss and gradient against one image at a time; which images share a prompt; no label in a prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.methods.dpl import DplConfig
from spg_dist.methods.dpl.network import Dpl, prompt_groups
from spg_dist.training.seeds import torch_random

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
SCALE = 14.0


def classifier(encoder: PromptEncoder, seed: int = 1) -> Dpl:
    return Dpl(encoder, 32, 12, (3, 16), SCALE, torch_random(seed, "dpl"))


def slow_loss(encoder: PromptEncoder, weights: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
    """The mean over images of -log softmax of the label, under the mean prompt of the image's domain."""
    prompts_by_domain: dict[int, list[torch.Tensor]] = {}
    for x_D, domain in zip(batch[0], batch[2].tolist(), strict=True):
        h = (weights["network.0.weight"] @ x_D + weights["network.0.bias"]).clamp(min=0)
        h = (weights["network.2.weight"] @ h + weights["network.2.bias"]).clamp(min=0)
        prompt = (weights["network.4.weight"] @ h + weights["network.4.bias"]).reshape(3, 16)
        prompts_by_domain.setdefault(domain, []).append(prompt)
    losses = []
    for x_D, label, domain in zip(batch[0], batch[1], batch[2].tolist(), strict=True):
        mean = sum(prompts_by_domain[domain], torch.zeros(3, 16)) / len(prompts_by_domain[domain])
        texts = F.normalize(encoder.plain(mean[None])[0], dim=-1)
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


def test_a_domain_is_classified_without_regard_to_other_domains(encoder: PromptEncoder, batch: Batch) -> None:
    made, (x_BD, _, domain_B) = classifier(encoder).double(), batch
    with torch.no_grad():
        whole, one = made(x_BD, domain_B), made(x_BD[domain_B == 1], domain_B[domain_B == 1])
    torch.testing.assert_close(whole[domain_B == 1], one, rtol=1e-10, atol=1e-10)


def test_a_prediction_depends_on_the_images_beside_it(encoder: PromptEncoder, batch: Batch) -> None:
    """The method is transductive, and its docstring says so."""
    made, (x_BD, _, domain_B) = classifier(encoder).double(), batch
    with torch.no_grad():
        whole, alone = made(x_BD, domain_B), made(x_BD[:1], domain_B[:1])
    assert not torch.allclose(whole[:1], alone)


def test_weights_are_xavier_and_depend_on_the_seed_alone(encoder: PromptEncoder) -> None:
    weights = classifier(encoder).state_dict()
    assert [tuple(weights[f"network.{i}.weight"].shape) for i in (0, 2, 4)] == [(12, 32), (12, 12), (48, 12)]
    bound = (6 / (32 + 12)) ** 0.5
    assert 0.9 * bound < float(weights["network.0.weight"].abs().max()) <= bound
    assert all(bool((weights[f"network.{i}.bias"] == 0.01).all()) for i in (0, 2, 4))
    torch.rand(3)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in classifier(encoder).state_dict().items())
    assert not torch.equal(classifier(encoder, seed=2).state_dict()["network.0.weight"], weights["network.0.weight"])


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [(0, [{0, 1, 3, 6}, {2, 4, 5}]), (2, [{0, 1}, {3, 6}, {2, 4}, {5}]), (100, [{0, 1, 3, 6}, {2, 4, 5}])],
)
def test_test_images_share_a_prompt_by_domain_and_batch(batch_size: int, expected: list[set[int]]) -> None:
    groups = prompt_groups(np.array([0, 0, 2, 0, 2, 2, 0]), batch_size)
    found = [set(np.flatnonzero(groups == group).tolist()) for group in np.unique(groups)]
    assert found == expected


@pytest.mark.parametrize("field", ["epochs", "n_ctx", "hidden_width", "test_batch"])
def test_a_setting_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is -1"):
        DplConfig(**{field: -1})
