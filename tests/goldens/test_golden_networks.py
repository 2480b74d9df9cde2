"""Generator and discriminator equal the published classes (record g1): outputs, BatchNorm buffers, dropout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.func import functional_call

from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.training import build_generator
from spg_dist.generators import Sizes

Golden = Callable[[str], dict[str, np.ndarray]]
TOLERANCE = {torch.float64: 2e-6, torch.float32: 5e-6}  # the record itself is float32


def weights(record: dict[str, np.ndarray], prefix: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    found = {n.removeprefix(prefix): torch.from_numpy(a) for n, a in record.items() if n.startswith(prefix)}
    return {name: t if "num_batches" in name else t.to(dtype) for name, t in found.items()}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param  # type: ignore[no-any-return]


def close(actual: torch.Tensor, expected: np.ndarray, dtype: torch.dtype) -> None:
    np.testing.assert_allclose(actual.detach().double().numpy(), expected, rtol=0, atol=TOLERANCE[dtype])


def test_generator_outputs_and_buffers_equal_the_record(golden: Golden, dtype: torch.dtype) -> None:
    record = golden("g1_nets")
    network = build_generator(GanConfig(), 512, 4, 512).to(dtype)
    network.load_state_dict(weights(record, "G.", dtype))
    z, x = (torch.from_numpy(record[name]).to(dtype) for name in ("noise", "features"))
    network.eval()
    close(network(z, x), record["G_out_eval_initial"], dtype)
    network.train()
    close(network(z, x), record["G_out_train"], dtype)
    for name, buffer in network.named_buffers():
        if "num_batches" not in name:  # the record was stored after its forward: it counts one more or less
            close(buffer, record[f"G_after_train_forward.{name}"], dtype)
    network.eval()
    close(network(z, x), record["G_out_eval_after_train_forward"], dtype)


def test_discriminator_outputs_equal_the_record_with_and_without_dropout(golden: Golden, dtype: torch.dtype) -> None:
    record = golden("g1_nets")
    network = Discriminator(Sizes(512, 4, 512), 512, 0.4).to(dtype)
    network.load_state_dict(weights(record, "D.", dtype))
    prompt, x = (torch.from_numpy(record[name]).to(dtype) for name in ("D_in_prompt", "features"))
    close(network(prompt, x), record["D_out_eval"], dtype)
    keep = torch.from_numpy(np.unpackbits(record["D_train_keep_masks"], axis=-1))
    factors = {f"model.{layer}.factor": kept.to(dtype) / 0.6 for layer, kept in zip((3, 6), keep, strict=True)}
    close(functional_call(network, factors, (prompt, x)), record["D_out_train"], dtype)
