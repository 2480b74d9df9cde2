"""Zero-shot CLIP with the one template that CLIP's authors give."""

from __future__ import annotations

from spg_dist.methods._templates import TemplateMethod


class _ZeroShot(TemplateMethod):
    name, label = "zero-shot", "Zero-shot CLIP"
    rank, colour, role = 0, "#040404", "reference"
    templates = ("a photo of a {}.",)


METHOD = _ZeroShot()
