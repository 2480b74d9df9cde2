"""A warm-up that is as long as the training: the learning rate never gets to where it was set."""

from __future__ import annotations

from spg_dist.config import Config
from spg_dist.experiment.runs import PROMPT_LABEL
from spg_dist.methods.registry import TRAINED
from spg_dist.training.schedule import learning_rates


def warm_up_remark(config: Config, method: str) -> str:
    """Of a method, or of the prompt labels that it learns from; empty where its rate reaches its peak."""
    sections = [TRAINED[method].section] if method in TRAINED else []
    if method == "spg" and not config.prompt_labels:
        sections.append(TRAINED[PROMPT_LABEL].section)
    remarks = []
    for section in sections:
        settings = getattr(config, section)
        if settings.schedule.warmup_epochs >= settings.epochs:
            highest = max(learning_rates(settings.learning_rate, settings.epochs, settings.schedule))
            remarks.append(
                f"{section} warms up in all {settings.epochs} of its epochs: "
                f"its learning rate is {highest:g} at most, not {settings.learning_rate:g}"
            )
    return "; ".join(remarks)
