"""Train the prompt generators of many runs on their source domains (stage 2), as one program.

Shape suffixes: S steps, A runs of a step, R runs, B batch, D feature width, K domains, P context tokens, W text
width.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from spg_dist.clip.prompt_encoder import PromptEncoder
from spg_dist.evaluation.accuracy import accuracy_of_prompts
from spg_dist.features import FeatureTable
from spg_dist.gan.config import GanConfig
from spg_dist.gan.discriminator import Discriminator
from spg_dist.gan.draws import EpochNoise, epoch_rows, image_noise
from spg_dist.gan.stacked import dropouts
from spg_dist.gan.step import AdversarialStep, StepInputs
from spg_dist.generators import Generator, Sizes, he_uniform, initial_generator
from spg_dist.training.batches import steps_of
from spg_dist.training.epoch_rows import EpochRows
from spg_dist.training.loop import Metrics
from spg_dist.training.schedule import learning_rates
from spg_dist.training.seeds import torch_random
from spg_dist.training.stacked import Places


@dataclass(frozen=True)
class GeneratorRun:
    """Stage 2 for one target and seed.

    Arguments:
        train_rows, val_rows: rows of the source domains.
        val_digests: of the content of each val image, which its noise is drawn by.
        labels_KPW: the prompt label of each domain; rows of domains that are no source are never read (NaN).
        clip: False trains without gradient clipping.

    Raises:
        ValueError: less than two training images.
    """

    config: GanConfig
    table: FeatureTable
    train_rows: np.ndarray
    val_rows: np.ndarray
    val_digests: Sequence[str]
    labels_KPW: Tensor
    encoder: PromptEncoder
    seed: int
    clip: bool = True

    def __post_init__(self) -> None:
        if len(self.train_rows) < 2:
            raise ValueError(
                f"{len(self.train_rows)} training image in the source domains of {self.table.manifest.root}: "
                f"the generator's BatchNorm needs at least two"
            )

    @property
    def batch(self) -> int:
        return min(self.config.batch_size, len(self.train_rows))

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return steps_of(len(self.train_rows), self.config.batch_size)

    @property
    def alike(self) -> tuple[Any, ...]:
        """What runs of one program have in common; all else may differ."""
        config = self.config
        network = config.generator, repr(config.network_settings)
        return (*network, config.d_width, self.batch, self.labels_KPW.shape, config.loss, id(self.table))

    @property
    def program(self) -> Hashable:
        """Runs for which it is the same are faster as one program than one by one.

        On a CPU none are: the 75 MB of a run's weights, gradients and moments stay in the cache from step to step as
        long as no other run's come between (benchmarks/many_runs.py). And a run that is a program by itself has the
        same bits whichever runs are left after a kill, on any processor.
        """
        return id(self) if self.table.device.type == "cpu" else self.alike


class GeneratorTraining:
    """Stage 2 of runs that are `alike`; see `RunGroup`."""

    def __init__(self, runs: Sequence[GeneratorRun]) -> None:
        assert len({run.alike for run in runs}) == 1
        self.runs = runs
        self.table, self.device = runs[0].table, runs[0].table.device
        self.places = Places([run.steps for run in runs])
        ordered = [runs[number] for number in self.places.numbers]
        generators, discriminators = zip(*map(self._first_networks, ordered), strict=True)
        self._plain = generators[0].eval()
        self.step = AdversarialStep(
            generators, discriminators, [run.config for run in ordered], [run.clip for run in ordered]
        )
        self.rates = [learning_rates(r.config.learning_rate, r.config.epochs, r.config.schedule) for r in runs]
        # one draw for all epochs: epochs are compared on the same noise
        self.val_z = [image_noise(r.seed, 0, r.val_digests, self._plain.noise_width) for r in runs]

    def _first_networks(self, run: GeneratorRun) -> tuple[Generator, Discriminator]:
        config, (_, n_ctx, text_width) = run.config, run.labels_KPW.shape
        width = self.table.features(run.train_rows[:1]).shape[1]
        generator = build_generator(config, width, n_ctx, text_width, run.seed)
        discriminator = Discriminator(Sizes(width, n_ctx, text_width), config.d_width, config.dropout)
        he_uniform(discriminator, torch_random(run.seed, "discriminator"))
        return generator.to(self.device), discriminator.to(self.device)

    def train_epoch(self, epochs: Mapping[int, int]) -> dict[int, Metrics]:
        staying = self.places.keep(epochs)
        if len(staying) < len(self.step.configs):
            self.step.keep(staying)
        numbers = self.places.numbers
        runs, own_epochs = [self.runs[n] for n in numbers], [epochs[n] for n in numbers]
        rates = [self.rates[n][epochs[n]] for n in numbers]
        losses_RS2 = self._train(runs, own_epochs, rates).cpu().tolist()
        metrics = {}
        for n, run, losses_S2, rate in zip(numbers, runs, losses_RS2, rates, strict=True):
            g_loss, d_loss = map(fmean, zip(*losses_S2[: run.steps], strict=True))
            metrics[n] = {"g_loss": g_loss, "d_loss": d_loss, "learning_rate": rate}
        return metrics

    def _train(self, runs: Sequence[GeneratorRun], epochs: Sequence[int], rates: Sequence[float]) -> Tensor:
        """All steps of an epoch for runs in their places; returns g_loss and d_loss of each run and step (R, S, 2)."""
        batches = EpochBatches(self.table, runs, epochs)
        settings = [(run.config, run.seed, epoch) for run, epoch in zip(runs, epochs, strict=True)]
        layers = list(dropouts(self._plain).values())
        noise = EpochNoise(settings, runs[0].batch, self.device, self._plain.noise_width, layers)
        losses_RS2 = torch.zeros(len(runs), runs[0].steps, 2, device=self.device)
        for step in range(runs[0].steps):
            A = self.places.busy(step)
            done = self.step(StepInputs(*batches.step(step, A), *noise.step(step, A)), rates[:A])
            losses_RS2[:A, step] = torch.stack([done.g_loss_A, done.d_loss_A], dim=1)
        return losses_RS2

    @torch.no_grad()
    def val_accuracy(self, run: int) -> float:
        given, z_BZ = self.runs[run], self.val_z[run].to(self.device)
        x_BD = self.table.features(given.val_rows)
        prompts: Tensor = functional_call(self._plain, self.weights(run), (z_BZ, x_BD))
        return accuracy_of_prompts(prompts, given.encoder, self.table, given.val_rows)

    def weights(self, run: int) -> dict[str, Tensor]:
        return self.step.generator_state(self.places.of(run))

    def state(self, run: int) -> dict[str, Tensor]:
        return self.step.state(self.places.of(run))

    def load_state(self, run: int, state: dict[str, Tensor]) -> None:
        self.step.load_state(self.places.of(run), state)


class EpochBatches:
    """Features and prompt labels of the steps of an epoch, for runs in their places."""

    def __init__(self, table: FeatureTable, runs: Sequence[GeneratorRun], epochs: Sequence[int]) -> None:
        self.rows = EpochRows(table, [run.train_rows for run in runs], epochs)
        drawn = [
            epoch_rows(run.train_rows, run.batch, run.seed, epoch) for run, epoch in zip(runs, epochs, strict=True)
        ]
        self.real_SRB, real_rows_SRB = self.rows.place([rows_S2B[:, 0] for rows_S2B in drawn])
        self.fake_SRB, _ = self.rows.place([rows_S2B[:, 1] for rows_S2B in drawn])
        self.domain_SRB = table.domain_N[real_rows_SRB]
        self.label_RKPW = torch.stack([run.labels_KPW for run in runs]).to(table.device)
        self.run_R1 = torch.arange(len(runs), device=table.device)[:, None]

    def step(self, step: int, runs: int) -> tuple[Tensor, Tensor, Tensor]:
        """label_ABPW, real_ABD, fake_ABD of the first runs (see `StepInputs`)."""
        label_ABPW = self.label_RKPW[self.run_R1[:runs], self.domain_SRB[step, :runs]]
        real, fake = self.real_SRB[step, :runs], self.fake_SRB[step, :runs]
        return label_ABPW, self.rows.features(real), self.rows.features(fake)


def build_generator(config: GanConfig, feature_width: int, n_ctx: int, text_width: int, seed: int = 0) -> Generator:
    """An untrained generator of the configured kind and size. Raises ValueError where these do not fit."""
    return initial_generator(config.network, config.network_settings, Sizes(feature_width, n_ctx, text_width), seed)
