"""The linear probe's step against logistic regression written out, and what its training does on easy data."""

from __future__ import annotations

import math

import pytest
import torch

from spg_dist.classifier.training import ClassifierTraining
from spg_dist.features import FeatureTable
from spg_dist.methods.linear_probe import LinearProbeConfig
from spg_dist.methods.linear_probe.network import LinearProbe

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def training(table: FeatureTable, seed: int = 1, **settings: float) -> ClassifierTraining:
    config = LinearProbeConfig(batch_size=8, **settings)  # type: ignore[arg-type]
    rows = table.manifest.rows({0, 1}, {"train"}), table.manifest.rows({0, 1}, {"val"})
    return ClassifierTraining(config, table, *rows, LinearProbe(32, 3), seed, "linear-probe")


def test_a_step_equals_the_gradient_written_out(table: FeatureTable, batch: Batch) -> None:
    """Of -log softmax(Wx + b)[y]: (softmax - onehot) xᵀ for W, (softmax - onehot) for b; then weight decay on both."""
    x_BD, label_B, domain_B = batch
    made = training(table, momentum=0.0, weight_decay=0.1, learning_rate=0.5)
    probe = made.classifier.double()
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    weight, bias = (parameter.detach().clone() for parameter in probe.parameters())
    loss, d_weight, d_bias = 0.0, 0.1 * weight, 0.1 * bias
    for x_D, label in zip(x_BD, label_B, strict=True):
        exponentials = torch.stack([torch.exp(weight[c] @ x_D + bias[c]) for c in range(3)])
        share = exponentials / exponentials.sum()
        loss -= float(share[label].log()) / 8
        for c in range(3):
            error = share[c] - float(c == label)
            d_weight[c] += error * x_D / 8
            d_bias[c] += error / 8
    assert float(made.step(x_BD, label_B, domain_B)) == pytest.approx(loss, rel=1e-12)
    after = dict(probe.named_parameters())
    torch.testing.assert_close(after["weight_CD"].detach(), weight - 0.5 * d_weight, rtol=0, atol=1e-12)
    torch.testing.assert_close(after["bias_C"].detach(), bias - 0.5 * d_bias, rtol=0, atol=1e-12)


def test_the_default_settings_learn_separable_classes(table: FeatureTable) -> None:
    made = training(table)
    losses = [made.train_epoch(epoch)["loss"] for epoch in range(made.epochs)]
    assert losses[0] == pytest.approx(math.log(3), rel=0.05)  # zero weights: all classes alike
    assert losses[-1] < 0.02
    assert made.val_accuracy() == 100


def test_seeds_differ_in_the_order_of_images_alone(table: FeatureTable) -> None:
    first, again, other = training(table), training(table), training(table, seed=2)
    assert first.train_epoch(1) == again.train_epoch(1)
    assert first.train_epoch(2) != other.train_epoch(2)


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate", "momentum", "weight_decay"])
def test_a_setting_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is -1"):
        LinearProbeConfig(**{field: -1})
