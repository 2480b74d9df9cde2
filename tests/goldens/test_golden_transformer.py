"""DPSPG's generator equals the published classes (record g6): twenty steps of its own stage 2 in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.gan.config import GanConfig
from spg_dist.gan.training import build_generator
from spg_dist.generators import Generator

Record = dict[str, np.ndarray]
CONFIG = GanConfig(generator="transformer", generator_settings={"dropout": 0.0})


def generator_of(record: Record, which: str) -> Generator:
    network = build_generator(CONFIG, 64, 4, 64).double()
    prefix = f"s2.{which}."
    network.load_state_dict({n.removeprefix(prefix): tensor(a) for n, a in record.items() if n.startswith(prefix)})
    return network


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).double()


@pytest.mark.parametrize(("which", "said"), [("P", "pos"), ("N", "neg")], ids=["positive", "negative"])
def test_twenty_steps_equal_the_record(golden: Callable[[str], Record], which: str, said: str) -> None:
    """Mean squared error to the label of each image's domain, AdamW; the record has no dropout."""
    record = golden("g6_dpspg")
    network = generator_of(record, which).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    x_ND, labels_KPW, no_noise = tensor(record["s2.features"]), tensor(record[f"s2.{said}_labels"]), torch.empty(32, 0)
    for step, rows in enumerate(record["s2.batch_idx"]):
        domain_B = torch.from_numpy(record["s2.domain"][rows])
        loss = F.mse_loss(network(no_noise, x_ND[rows.astype(np.int64)]), labels_KPW[domain_B])
        assert float(loss.detach()) == pytest.approx(float(record[f"s2.loss_{said}"][step]), abs=1e-7), step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        prompts_BPW = network.eval()(no_noise[:8], x_ND[:8])
    np.testing.assert_allclose(prompts_BPW.numpy(), record[f"s2.{said}_ctx_after_20"], rtol=0, atol=1e-6)
    for name, parameter in network.named_parameters():
        values = parameter.detach().numpy()
        expected = record[f"s2.{which}_final.{name}@sum_l2"]
        np.testing.assert_allclose([values.sum(), np.linalg.norm(values)], expected, rtol=1e-6, atol=1e-6, err_msg=name)
