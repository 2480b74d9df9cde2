"""Learn one soft prompt for a set of images (stage 1; CoOp).

Shape suffixes: B batch, C classes, D feature width, P context tokens, W text width.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.evaluation.accuracy import accuracy_of_text
from spg_dist.features import FeatureTable
from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.training import Metrics, learning_rates
from spg_dist.training.batches import shuffled_batches
from spg_dist.training.optimizers import load_optimizer_state, optimizer_state, under
from spg_dist.training.seeds import numpy_random


class SoftPromptTraining:
    """Cross-entropy of softmax(exp(logit_scale) · x · g([v, class])) over the prompt v alone (SPG section 3.2, eq. 3).

    Arguments:
        initial_PW: the first prompt.
        train_rows, val_rows: rows of `table`.
        logit_scale: exp(logit_scale) of the frozen CLIP.
    """

    def __init__(
        self,
        config: SoftPromptConfig,
        table: FeatureTable,
        train_rows: np.ndarray,
        val_rows: np.ndarray,
        encoder: PromptEncoder,
        initial_PW: Tensor,
        logit_scale: float,
        seed: int,
    ) -> None:
        self.config, self.table, self.encoder = config, table, encoder
        self.train_rows, self.val_rows = train_rows, val_rows
        self.logit_scale, self.seed = logit_scale, seed
        self.epochs = config.epochs
        self.prompt_PW = initial_PW.detach().clone().to(table.device).requires_grad_()
        self.rates = learning_rates(config.learning_rate, config.epochs, config.schedule)
        self.optimizer = torch.optim.SGD(
            [self.prompt_PW], lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
        )

    def train_epoch(self, epoch: int) -> Metrics:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[epoch]
        random = numpy_random(self.seed, "soft prompt", epoch)
        losses = []
        for rows in shuffled_batches(self.train_rows, self.config.batch_size, random):
            losses.append(
                self.step(self.table.training_features(rows, epoch), self.table.label_N[torch.from_numpy(rows)])
            )
        return {"loss": float(torch.stack(losses).mean()), "learning_rate": self.rates[epoch]}

    def step(self, x_BD: Tensor, label_B: Tensor) -> Tensor:
        """One update; returns the loss before it."""
        text_CD = self.encoder(self.prompt_PW[None])[0]
        loss = F.cross_entropy(self.logit_scale * x_BD @ text_CD.T, label_B)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def val_accuracy(self) -> float:
        return accuracy_of_text(self.encoder(self.prompt_PW[None])[0], self.table, self.val_rows)

    def weights(self) -> dict[str, Tensor]:
        return {"prompt": self.prompt_PW}

    def state(self) -> dict[str, Tensor]:
        moments = {f"moments/{name}": tensor for name, tensor in optimizer_state(self.optimizer).items()}
        return {"prompt": self.prompt_PW} | moments

    def load_state(self, state: dict[str, Tensor]) -> None:
        with torch.no_grad():
            self.prompt_PW.copy_(state["prompt"])
        load_optimizer_state(self.optimizer, under("moments/", state))
