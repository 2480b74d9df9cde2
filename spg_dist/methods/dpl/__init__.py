"""DPL: a prompt for every domain, inferred from its images. Transductive: it reads test images, not labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spg_dist.methods import Method
from spg_dist.training.sgd import SgdConfig

if TYPE_CHECKING:
    from spg_dist.classifier.training import ClassifierTraining
    from spg_dist.evaluation.prediction import Predictor
    from spg_dist.methods.dpl.network import Dpl
    from spg_dist.run import Run


@dataclass(frozen=True)
class DplConfig(SgdConfig):
    """The DPL baseline: domain prompt learning (Zhang et al., 2021), with CoOp's optimizer settings, as the SPG paper
    compares them.

    DPL's own code has 16 tokens, SGD with rate 1e-3 and momentum 0.1, dropout of 0.1 after the first layer (not here)
    and a batch of 32 from each domain, where this takes `batch_size` from all of them together.
    """

    n_ctx: int = 4
    """Context tokens of the prompt."""

    hidden_width: int = 512
    """Width of the two hidden layers that make a prompt from a feature."""

    test_batch: int = 0
    """Test images whose prompts are averaged into one; 0 = all images of the tested domain."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_ctx", "hidden_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.test_batch < 0:
            raise ValueError(f"test_batch is {self.test_batch}, expected 0 (the whole domain) or more")


class _Dpl(Method[DplConfig]):
    name, label, branch, settings = "dpl", "DPL", "dpl", DplConfig
    rank, colour = 50, "#cc79a7"
    transductive, remark = True, "transductive: its prompt is a mean over the test images"
    prompts_in_training = "a step"

    def context_length(self, settings: DplConfig) -> int:
        return settings.n_ctx

    def training(self, run: Run[DplConfig]) -> ClassifierTraining:
        from spg_dist.classifier.method import classifier_training

        return classifier_training(run, self._untrained(run))

    def predictor(self, run: Run[DplConfig]) -> Predictor:
        """Each image under the mean prompt of its domain, or of its batch of `dpl.test_batch` images.

        Another data set's domains (cross-dataset) have a prompt each; images given to predict.py are one domain.
        """
        from spg_dist.classifier.method import classifier_predictor
        from spg_dist.methods.dpl.network import prompt_groups

        batch = run.settings.test_batch
        return classifier_predictor(run, self._untrained(run), lambda images: prompt_groups(images.domain_B, batch))

    def _untrained(self, run: Run[DplConfig]) -> Dpl:
        from spg_dist.methods.dpl.network import Dpl
        from spg_dist.training.seeds import torch_random

        return Dpl(
            encoder=run.material.encoder(run.settings.n_ctx),
            feature_width=run.material.clip.feature_width,
            hidden_width=run.settings.hidden_width,
            prompt_shape=(run.settings.n_ctx, run.material.tower.width),
            logit_scale=run.material.clip.logit_scale,
            random=torch_random(run.seed, "dpl network"),
        )


METHOD = _Dpl()
