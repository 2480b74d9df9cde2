"""The project's own trainings, and toys, on tiny tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loop_material import EPOCHS
from torch import Tensor, nn

from spg_dist.classifier.training import Classifier, ClassifierTraining
from spg_dist.gan.config import GanConfig
from spg_dist.gan.training import GeneratorRun, GeneratorTraining
from spg_dist.methods.cocoop.network import Cocoop
from spg_dist.methods.dpl.network import Dpl
from spg_dist.methods.linear_probe.network import LinearProbe
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.training import SoftPromptRun, SoftPromptTraining
from spg_dist.training.loop import Metrics, RunGroup
from spg_dist.training.one_by_one import OneByOne
from spg_dist.training.seeds import derive, torch_random
from spg_dist.training.sgd import SgdConfig

IMAGES, WIDTH, CLASSES, DOMAINS, N_CTX, TEXT_WIDTH = 40, 6, 3, 2, 2, 4


def randn(purpose: str, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch_random(1, purpose))


class Table:
    """The part of a feature table that trainings read."""

    device = torch.device("cpu")
    augmented = ()

    def __init__(self) -> None:
        self.x_ND = F.normalize(randn("features", IMAGES, WIDTH), dim=-1)
        self.label_N = torch.arange(IMAGES) % CLASSES
        self.domain_N = torch.arange(IMAGES) % DOMAINS

    def features(self, rows: np.ndarray) -> Tensor:
        return self.x_ND[torch.from_numpy(rows)]

    def training_features(self, rows: np.ndarray, epoch: int) -> Tensor:
        return self.features(rows)


def encoder(prompt_BPW: Tensor) -> Tensor:
    """Some differentiable way from prompts (B, P, W) to unit text features (B, C, D)."""
    flat_BI = prompt_BPW.flatten(1)
    mixed = torch.einsum("bi,icd->bcd", flat_BI, randn("encoder", N_CTX * TEXT_WIDTH, CLASSES, WIDTH))
    return F.normalize(mixed, dim=-1)


class Toy:
    """Regression by a small network; its batches depend on the epoch alone."""

    def __init__(self, optimizer: Callable[..., Any], **settings: Any) -> None:
        self.network = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 1))
        with torch.no_grad():
            for number, parameter in enumerate(self.network.parameters()):
                parameter.copy_(randn(f"toy {number}", *parameter.shape))
        self.optimizer = optimizer(self.network.parameters(), **settings)

    def train_epoch(self, epoch: int) -> Metrics:
        random = torch.Generator().manual_seed(derive(1, "epoch", epoch))
        losses = []
        for _ in range(4):
            x_BD = torch.randn(8, WIDTH, generator=random)
            loss = (self.network(x_BD)[:, 0] - x_BD.sum(dim=1)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return {"loss": sum(losses) / len(losses)}

    @torch.no_grad()
    def val_accuracy(self) -> float:
        x_ND = randn("val", 50, WIDTH)
        return 100 * float(((self.network(x_ND)[:, 0] > 0) == (x_ND.sum(dim=1) > 0)).float().mean())

    def weights(self) -> dict[str, Tensor]:
        return dict(self.network.state_dict())

    def state(self) -> dict[str, Tensor]:
        state = {f"weights/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"moments/{number}/{name}": tensor for name, tensor in moments.items()}
        return state

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.network.load_state_dict({n.split("/")[1]: t for n, t in state.items() if n.startswith("weights/")})
        stored = self.optimizer.state_dict()
        for name, tensor in state.items():
            if name.startswith("moments/"):
                _, number, moment = name.split("/")
                stored["state"].setdefault(int(number), {})[moment] = tensor
        self.optimizer.load_state_dict(stored)


def soft_prompt() -> RunGroup:
    rows = np.arange(IMAGES)
    config = SoftPromptConfig(n_ctx=N_CTX, epochs=EPOCHS, batch_size=8, learning_rate=0.05)
    first = randn("first prompt", N_CTX, TEXT_WIDTH)
    run = SoftPromptRun(config, Table(), rows[:28], rows[28:], encoder, first, 20.0, seed=3)  # type: ignore[arg-type]
    return SoftPromptTraining([run])


def generator() -> RunGroup:
    rows = np.arange(IMAGES)
    config = GanConfig(latent_width=3, g_widths=[4, 8], d_width=8, epochs=EPOCHS, batch_size=8)
    labels = randn("prompt labels", DOMAINS, N_CTX, TEXT_WIDTH)
    run = GeneratorRun(
        config, Table(), rows[:28], rows[28:], [f"digest {row}" for row in rows[28:]], labels, encoder, seed=3
    )  # type: ignore[arg-type]
    return GeneratorTraining([run])


def classifier(made: Classifier) -> RunGroup:
    rows = np.arange(IMAGES)
    config = SgdConfig(epochs=EPOCHS, batch_size=8, learning_rate=0.05)
    return OneByOne([ClassifierTraining(config, Table(), rows[:28], rows[28:], made, 3, "toy")])  # type: ignore[arg-type]


def cocoop() -> RunGroup:
    first = randn("first prompt", N_CTX, TEXT_WIDTH)
    return classifier(Cocoop(encoder, first, WIDTH, 20.0, torch_random(3, "meta-net")))  # type: ignore[arg-type]


def dpl() -> RunGroup:
    random = torch_random(3, "network")
    return classifier(Dpl(encoder, WIDTH, 8, (N_CTX, TEXT_WIDTH), 20.0, random))  # type: ignore[arg-type]


GROUPS: dict[str, Callable[[], RunGroup]] = {
    "SGD": lambda: OneByOne([Toy(torch.optim.SGD, lr=0.02, momentum=0.9, weight_decay=1e-4)]),
    "AdamW": lambda: OneByOne([Toy(torch.optim.AdamW, lr=0.02, fused=True)]),
    "soft prompt": soft_prompt,
    "generator": generator,
    "linear probe": lambda: classifier(LinearProbe(WIDTH, CLASSES)),
    "CoCoOp": cocoop,
    "DPL": dpl,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=GROUPS)
def build(request: pytest.FixtureRequest) -> Callable[[], RunGroup]:
    """Makes the same group of one anew, as a restarted process would."""
    return GROUPS[request.param]


@pytest.fixture
def build_toy() -> Callable[[], RunGroup]:
    return GROUPS["SGD"]


@pytest.fixture
def scripted() -> Callable[..., Any]:
    """A trainable whose val accuracies and losses are given; its only weight is the number of epochs it has seen."""

    def make(accuracies: list[float], losses: list[float] | None = None) -> Any:
        weight = torch.zeros(1)

        def train_epoch(epoch: int) -> Metrics:
            weight.add_(1)
            return {"loss": losses[epoch] if losses else 0.0}

        return SimpleNamespace(
            epochs=len(accuracies),
            train_epoch=train_epoch,
            val_accuracy=lambda: accuracies[int(weight) - 1],
            weights=lambda: {"seen": weight},
            state=lambda: {"seen": weight},
            load_state=lambda state: weight.copy_(state["seen"]),
        )

    return make
