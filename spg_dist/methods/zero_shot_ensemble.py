"""Zero-shot CLIP with the mean over several templates."""

from __future__ import annotations

from spg_dist.methods._templates import TemplateMethod


class _ZeroShotEnsemble(TemplateMethod):
    name, label = "zero-shot-ensemble", "Zero-shot ensemble"
    rank, colour = 10, "#56b4e9"
    templates = (
        "a photo of a {}.",
        "a painting of a {}.",
        "a cartoon of a {}.",
        "a sketch of a {}.",
        "a drawing of a {}.",
        "a picture of a {}.",
        "an image of the {}.",
    )


METHOD = _ZeroShotEnsemble()
