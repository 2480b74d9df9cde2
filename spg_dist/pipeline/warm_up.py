"""A warm-up that is as long as the training: the learning rate never gets to where it was set."""

from __future__ import annotations

from typing import Any

from spg_dist.config import Config
from spg_dist.methods import Method, settings_of
from spg_dist.training.schedule import ScheduleConfig, learning_rates


def warm_up_remark(config: Config, method: Method[Any]) -> str:
    """Of a method, or of those that it learns from; empty where its rate reaches its peak."""
    remarks = []
    for one in (method, *method.needs(config)):
        settings = settings_of(config, one)
        schedule = getattr(settings, "schedule", None)
        if isinstance(schedule, ScheduleConfig) and schedule.warmup_epochs >= settings.epochs:
            highest = max(learning_rates(settings.learning_rate, settings.epochs, schedule))
            remarks.append(
                f"{one.branch} warms up in all {settings.epochs} of its epochs: "
                f"its learning rate is {highest:g} at most, not {settings.learning_rate:g}"
            )
    return "; ".join(remarks)
