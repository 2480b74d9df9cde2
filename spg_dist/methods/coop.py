"""CoOp on the pooled sources: one soft prompt for every image."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from spg_dist.soft_prompt.config import SoftPromptConfig
from spg_dist.soft_prompt.method import SoftPromptMethod

if TYPE_CHECKING:
    from spg_dist.evaluation.prediction import Predictor
    from spg_dist.run import Run


@dataclass(frozen=True)
class CoopConfig(SoftPromptConfig):
    """The CoOp baseline: one soft prompt learned on the pooled sources (Zhou et al., IJCV 2022)."""

    epochs: int = 20
    """Passes over the training features."""


class _Coop(SoftPromptMethod):
    name, label, branch, settings = "coop", "CoOp", "coop", CoopConfig
    former_names = MappingProxyType({"erm": "not 16 context tokens (unlike the paper's CoOp)"})
    rank, colour, shown_by_default = 30, "#e69f00", True

    def predictor(self, run: Run[SoftPromptConfig]) -> Predictor:
        """All images under the learned prompt."""
        from spg_dist.evaluation.prediction import text_predictor

        text_CD = run.material.prompt_texts(run.weights()["prompt"])
        return text_predictor(text_CD, run.material.clip.logit_scale)


METHOD = _Coop()
