"""CoCoOp on the pooled sources: a soft prompt that a small network shifts for every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spg_dist.methods import Method
from spg_dist.soft_prompt.config import SoftPromptConfig

if TYPE_CHECKING:
    from spg_dist.classifier.training import ClassifierTraining
    from spg_dist.evaluation.prediction import Predictor
    from spg_dist.material import Material
    from spg_dist.methods.cocoop.network import Cocoop
    from spg_dist.run import Run


@dataclass(frozen=True)
class CocoopConfig(SoftPromptConfig):
    """The CoCoOp baseline: conditional context optimisation (Zhou et al., CVPR 2022) on the pooled sources.

    The SPG paper's baseline has 16 context tokens and batches of 32, as the presets have; CoCoOp's own paper has 4
    and batches of one.
    """

    epochs: int = 20
    """Passes over the training features."""


class _Cocoop(Method[CocoopConfig]):
    name, label, branch, settings = "cocoop", "CoCoOp", "cocoop", CocoopConfig
    rank, colour = 40, "#009e73"
    prompts_in_training, prompt_for_each_image = "an image", True

    def context_length(self, settings: CocoopConfig) -> int:
        return settings.n_ctx

    def check(self, material: Material, settings: CocoopConfig, of_needs: Sequence[Any] = ()) -> None:
        from spg_dist.soft_prompt.initial import check_initial_text

        check_initial_text(material, self.branch, settings)

    def training(self, run: Run[CocoopConfig]) -> ClassifierTraining:
        from spg_dist.classifier.method import classifier_training

        return classifier_training(run, self._untrained(run))

    def predictor(self, run: Run[CocoopConfig]) -> Predictor:
        """Each image under its own prompt."""
        from spg_dist.classifier.method import classifier_predictor

        return classifier_predictor(run, self._untrained(run))

    def _untrained(self, run: Run[CocoopConfig]) -> Cocoop:
        from spg_dist.methods.cocoop.network import Cocoop
        from spg_dist.soft_prompt.initial import first_prompt
        from spg_dist.training.seeds import torch_random

        return Cocoop(
            encoder=run.material.encoder(run.settings.n_ctx),
            initial_PW=first_prompt(run.material, run.settings, run.seed),
            feature_width=run.material.clip.feature_width,
            logit_scale=run.material.clip.logit_scale,
            random=torch_random(run.seed, "cocoop meta-net"),
        )


METHOD = _Cocoop()
