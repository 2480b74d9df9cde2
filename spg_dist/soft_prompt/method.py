"""What the methods that learn one soft prompt share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from spg_dist.methods import Method
from spg_dist.soft_prompt.config import SoftPromptConfig

if TYPE_CHECKING:
    from spg_dist.material import Material
    from spg_dist.run import Run
    from spg_dist.soft_prompt.training import SoftPromptRun, SoftPromptTraining


class SoftPromptMethod(Method[SoftPromptConfig]):
    """A soft prompt on the run's train rows, selected on its val rows."""

    prompts_in_training = "a step"

    def context_length(self, settings: SoftPromptConfig) -> int:
        return settings.n_ctx

    def check(self, material: Material, settings: SoftPromptConfig, of_needs: Sequence[Any] = ()) -> None:
        from spg_dist.soft_prompt.initial import check_initial_text

        check_initial_text(material, self.branch, settings)

    def training(self, run: Run[SoftPromptConfig]) -> SoftPromptRun:
        from spg_dist.soft_prompt.initial import first_prompt
        from spg_dist.soft_prompt.training import SoftPromptRun, prompts_at_once

        encoder = run.material.encoder(run.settings.n_ctx)
        return SoftPromptRun(
            config=run.settings,
            table=run.material.table,
            train_rows=run.train_rows,
            val_rows=run.judged_rows,
            encoder=encoder,
            initial_PW=first_prompt(run.material, run.settings, run.seed),
            logit_scale=run.material.clip.logit_scale,
            seed=run.seed,
            prompts_at_once=prompts_at_once(encoder),
        )

    def group(self, trainings: Sequence[SoftPromptRun]) -> SoftPromptTraining:
        from spg_dist.soft_prompt.training import SoftPromptTraining

        return SoftPromptTraining(trainings)

    def together(self, training: SoftPromptRun) -> Hashable:
        return training.alike
