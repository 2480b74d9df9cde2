"""Train a classifier over features by cross-entropy.

Shape suffixes: B batch, C classes, D feature width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spg_dist.evaluation.accuracy import percent_correct
from spg_dist.features import FeatureTable
from spg_dist.training.batches import shuffled_batches
from spg_dist.training.loop import Metrics
from spg_dist.training.optimizers import load_optimizer_state, optimizer_state, under
from spg_dist.training.schedule import learning_rates
from spg_dist.training.seeds import numpy_random
from spg_dist.training.sgd import SgdConfig


class Classifier(nn.Module, ABC):
    """Logits from image features. Its parameters and buffers are what is learned; frozen CLIP stays outside of them."""

    @abstractmethod
    def forward(self, x_BD: Tensor, group_B: Tensor) -> Tensor:
        """Logits (B, C).

        Arguments:
            x_BD: unit-norm image features.
            group_B: which rows belong together (a domain, a test batch); only DPL looks at it.
        """


class ClassifierTraining:
    """Minimises the cross-entropy of a classifier's logits on the pooled source domains.

    Arguments:
        train_rows, val_rows: rows of `table`.
        purpose: sets this method's random batches apart from another's.
    """

    def __init__(
        self,
        config: SgdConfig,
        table: FeatureTable,
        train_rows: np.ndarray,
        val_rows: np.ndarray,
        classifier: Classifier,
        seed: int,
        purpose: str,
    ) -> None:
        self.config, self.table = config, table
        self.train_rows, self.val_rows = train_rows, val_rows
        self.seed, self.purpose = seed, purpose
        self.epochs = config.epochs
        self.classifier = classifier.to(table.device)
        self.rates = learning_rates(config.learning_rate, config.epochs, config.schedule)
        self.optimizer = torch.optim.SGD(
            classifier.parameters(), lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
        )

    def train_epoch(self, epoch: int) -> Metrics:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[epoch]
        random = numpy_random(self.seed, self.purpose, epoch)
        losses = []
        for rows in shuffled_batches(self.train_rows, self.config.batch_size, random):
            label_B, domain_B = self._of(rows)
            losses.append(self.step(self.table.training_features(rows, epoch), label_B, domain_B))
        return {"loss": float(torch.stack(losses).mean()), "learning_rate": self.rates[epoch]}

    def step(self, x_BD: Tensor, label_B: Tensor, domain_B: Tensor) -> Tensor:
        """One update; returns the loss before it."""
        loss = F.cross_entropy(self.classifier(x_BD, domain_B), label_B)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def val_accuracy(self) -> float:
        label_B, domain_B = self._of(self.val_rows)
        logits_BC = self.classifier(self.table.features(self.val_rows), domain_B)
        return percent_correct(logits_BC.argmax(dim=-1), label_B)

    def _of(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Labels and domains (B,) of some rows."""
        rows_B = torch.from_numpy(rows).to(self.table.device)
        return self.table.label_N[rows_B], self.table.domain_N[rows_B]

    def weights(self) -> dict[str, Tensor]:
        return dict(self.classifier.state_dict())

    def state(self) -> dict[str, Tensor]:
        weights = {f"weights/{name}": tensor for name, tensor in self.classifier.state_dict().items()}
        return weights | {f"moments/{name}": tensor for name, tensor in optimizer_state(self.optimizer).items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.classifier.load_state_dict(under("weights/", state))
        load_optimizer_state(self.optimizer, under("moments/", state))
