"""What the phases of a run took, in words for every kind of report."""

from __future__ import annotations

from spg_dist.progress.costs import Costs
from spg_dist.progress.duration import duration_text

TITLE = "Time by phase, in all jobs of this run"


def time_notes(costs: Costs) -> list[str]:
    """What stands under the times: on what each phase worked, said once where it was the same for all."""
    machines = list(dict.fromkeys(machine for cost in costs.phases for machine in cost.machines))
    said = [f"On {machines[0]}."] if len(machines) == 1 else []
    if len(machines) > 1:
        said = [f"{cost.phase}: on {'; on '.join(cost.machines)}." for cost in costs.phases if cost.machines]
    return [*said, "A job counts for a phase in which it had something to do.", *costs.remarks]


def time_lines(costs: Costs) -> list[str]:
    """A line for each phase, and one for all."""
    lines = [f"{cost.phase}: {duration_text(cost.seconds)} ({cost.in_words()})" for cost in costs.phases]
    return [*lines, f"all phases: {duration_text(costs.seconds)}"]
