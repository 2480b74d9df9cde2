"""Zero-shot CLIP: hand-written prompts, nothing learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spg_dist.methods import Method

if TYPE_CHECKING:
    from torch import Tensor

    from spg_dist.evaluation.prediction import Predictor
    from spg_dist.material import Material
    from spg_dist.run import Run


class TemplateMethod(Method[None]):
    """All images by the texts of `templates`."""

    trains = has_seeds = False
    shown_by_default = True

    def predictor(self, run: Run[None]) -> Predictor:
        from spg_dist.evaluation.prediction import text_predictor

        return text_predictor(self.texts(run.material), run.material.clip.logit_scale)

    def texts(self, material: Material) -> Tensor:
        """Text features (C, D) of all classes: unit-norm mean over the templates."""
        import torch
        import torch.nn.functional as F

        clip, sums = material.clip, None
        with torch.no_grad():
            for template in self.templates:
                tokens = clip.tokenizer([template.format(name) for name in material.manifest.class_names])
                features = F.normalize(clip.model.encode_text(tokens.to(clip.device)).float(), dim=-1)
                sums = features if sums is None else sums + features
        assert sums is not None
        return F.normalize(sums, dim=-1)
