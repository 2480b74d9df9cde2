"""Train the prompt generator on the source domains (stage 2).

Shape suffixes: B batch, D feature width, Z latent width, K domains, P context tokens, W text width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.evaluation.accuracy import accuracy_of_prompts
from spg_dist.features import FeatureTable
from spg_dist.gan.config import GanConfig
from spg_dist.gan.networks import Discriminator, Generator, init_linear
from spg_dist.gan.step import AdversarialStep, StepInputs
from spg_dist.training import Metrics, learning_rates
from spg_dist.training.batches import random_batch, shuffled_batches
from spg_dist.training.optimizers import load_optimizer_state, optimizer_state, under
from spg_dist.training.seeds import numpy_random, torch_random


class GeneratorTraining:
    """Stage 2 for one target and seed.

    Arguments:
        train_rows, val_rows: rows of the source domains.
        labels_KPW: the prompt label of each domain; rows of domains that are no source are never read (NaN).
        clip: False trains without gradient clipping.

    Raises:
        ValueError: less than two training images.
    """

    def __init__(
        self,
        config: GanConfig,
        table: FeatureTable,
        train_rows: np.ndarray,
        val_rows: np.ndarray,
        labels_KPW: Tensor,
        encoder: PromptEncoder,
        seed: int,
        clip: bool = True,
    ) -> None:
        if len(train_rows) < 2:
            raise ValueError(
                f"{len(train_rows)} training image in the source domains of {table.manifest.root}: "
                f"the generator's BatchNorm needs at least two"
            )
        self.config, self.table, self.encoder, self.seed = config, table, encoder, seed
        self.train_rows, self.val_rows = train_rows, val_rows
        self.epochs = config.epochs
        self.labels_KPW = labels_KPW.to(table.device)
        _, n_ctx, text_width = labels_KPW.shape
        width = table.features(train_rows[:1]).shape[1]
        self.generator = build_generator(config, width, n_ctx, text_width)
        self.discriminator = Discriminator(width, config.d_width, n_ctx, text_width, config.dropout)
        init_linear(self.generator, torch_random(seed, "generator"))
        init_linear(self.discriminator, torch_random(seed, "discriminator"))
        self.generator.to(table.device)
        self.discriminator.to(table.device)
        self.rates = learning_rates(config.learning_rate, config.epochs, config.schedule)
        self.step = AdversarialStep(self.generator, self.discriminator, config, clip)
        # one draw for all epochs: epochs are compared on the same noise
        self.val_z = torch.randn(len(val_rows), config.latent_width, generator=torch_random(seed, "val noise")).to(
            table.device
        )

    def train_epoch(self, epoch: int) -> Metrics:
        self.step.set_learning_rate(self.rates[epoch])
        random, noise = numpy_random(self.seed, "gan", epoch), torch_random(self.seed, "gan noise", epoch)
        losses = []
        for rows in shuffled_batches(self.train_rows, self.config.batch_size, random):
            fake_rows = random_batch(self.train_rows, len(rows), random)
            done = self.step(self._inputs(rows, fake_rows, epoch, noise))
            losses.append(torch.stack([done.g_loss, done.d_loss]))
        g_loss, d_loss = torch.stack(losses).mean(dim=0).tolist()
        return {"g_loss": g_loss, "d_loss": d_loss, "learning_rate": self.rates[epoch]}

    def _inputs(self, rows: np.ndarray, fake_rows: np.ndarray, epoch: int, noise: torch.Generator) -> StepInputs:
        device, B = self.table.device, len(rows)
        keeps = [self.discriminator.draw_keep(B, noise) for _ in range(3)]
        z_BZ = torch.randn(B, self.config.latent_width, generator=noise)
        domain_B = self.table.domain_N[torch.from_numpy(rows).to(device)]
        real, fake, again = (keep if keep is None else keep.to(device) for keep in keeps)
        return StepInputs(
            label_BPW=self.labels_KPW[domain_B],
            real_BD=self.table.training_features(rows, epoch),
            fake_BD=self.table.training_features(fake_rows, epoch),
            z_BZ=z_BZ.to(device),
            keep_32BU=(real, fake, again),
        )

    @torch.no_grad()
    def val_accuracy(self) -> float:
        self.generator.eval()
        prompts = self.generator(self.val_z, self.table.features(self.val_rows))
        return accuracy_of_prompts(prompts, self.encoder, self.table, self.val_rows)

    def weights(self) -> dict[str, Tensor]:
        return dict(self.generator.state_dict())

    def state(self) -> dict[str, Tensor]:
        state = {f"g/{name}": tensor for name, tensor in self.generator.state_dict().items()}
        state |= {f"d/{name}": tensor for name, tensor in self.discriminator.state_dict().items()}
        for network, optimizer in (("g", self.step.g_optimizer), ("d", self.step.d_optimizer)):
            state |= {f"{network}-moments/{name}": tensor for name, tensor in optimizer_state(optimizer).items()}
        return state

    def load_state(self, state: dict[str, Tensor]) -> None:
        networks = (("g", self.generator, self.step.g_optimizer), ("d", self.discriminator, self.step.d_optimizer))
        for prefix, network, optimizer in networks:
            network.load_state_dict(under(f"{prefix}/", state))
            load_optimizer_state(optimizer, under(f"{prefix}-moments/", state))


def build_generator(config: GanConfig, feature_width: int, n_ctx: int, text_width: int) -> Generator:
    """An untrained generator of the configured size."""
    return Generator(feature_width, config.latent_width, config.g_widths, n_ctx, text_width)
