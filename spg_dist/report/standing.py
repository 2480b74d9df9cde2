"""Which method is best on average and where SPG stands, in words that claim no more than the spread over seeds.

Training that is chaotic in fp32 (stage 2) ends with other figures on another processor, as it does with another seed.
So the words, less their figures, must not hang on which of two level methods is printed higher: these stand in the
table's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from spg_dist.evaluation.results import Spread
from spg_dist.protocols import PROTOCOLS
from spg_dist.report.naming import in_order, is_in_focus, is_reference, mid_sentence
from spg_dist.report.table import MethodLine, ResultTable, listed


def standing_in_words(table: ResultTable) -> str:
    """The best method on average, SPG's place, and its distance to zero-shot CLIP, gain or loss alike."""
    ranked = ranked_lines(table)
    if not ranked:
        return f"No method has every target of {table.dataset} yet."
    best, where = ranked[0], _where(table)
    spg = next((line for line in ranked if is_in_focus(line.method)), None)
    rank = "highest" if len(table.seeds) == 1 else "best"  # one seed has no spread to judge by
    best_words = f"{best.label} is {rank}{' on average' if len(table.targets) > 1 else ''}: {_percent(best)} {where}"
    if level_with(best, ranked):
        first, *rivals = _in_order([best, *level_with(best, ranked)])
        best_words = f"{_none_is_best(first, rivals)} {where}"
    if len(ranked) == 1:
        return f"{best.label} reaches {_percent(best)} {where}."
    if spg is None:
        return f"{best_words}."
    level = level_with(spg, ranked)
    zero_shot = next((line for line in ranked if is_reference(line.method)), None)
    if best is spg and not level:
        second = "" if ranked[1] is zero_shot else f" The next, {ranked[1].label}, is {_points(spg, ranked[1])} behind."
        return f"{best_words}{_to_zero_shot(', ', spg, zero_shot)}.{second}"
    if best is spg or best in level:
        beyond = "" if zero_shot in level else _to_zero_shot(f" {spg.label} is ", spg, zero_shot, ".")
        return f"{_none_is_best(spg, level)} {where}.{beyond}"
    place = f"place {place_of(spg, ranked)} of {len(ranked)}"
    shared = f", level with {_named(level)}" if level else ""
    behind = f"{_points(spg, best)} below {mid_sentence(best.label) if best is zero_shot else 'the highest'}"
    beyond = "" if best is zero_shot or zero_shot in level else _to_zero_shot(", ", spg, zero_shot)
    return f"{best_words}. {spg.label} reaches {_percent(spg)}, {place}{shared}: {behind}{beyond}."


def ranked_lines(table: ResultTable) -> list[MethodLine]:
    """The methods that have an average, highest as printed first; of equal ones SPG comes first."""
    complete = [line for line in table.lines if line.average.measured is not None]
    return sorted(complete, key=lambda line: (-round(_spread(line).mean, 1), not is_in_focus(line.method)))


def level_with(line: MethodLine, others: list[MethodLine]) -> list[MethodLine]:
    """Those of the others whose average differs by no more than the standard deviation of the difference over seeds,
    in the table's order.

    Means are compared as printed. A single seed has no known deviation: then only equal figures are level.
    """

    def level(other: MethodLine) -> bool:
        deviation = math.hypot(_spread(line).std or 0.0, _spread(other).std or 0.0)
        return abs(difference(line, other)) <= round(deviation, 1)

    return _in_order([other for other in others if other is not line and level(other)])


def _in_order(lines: list[MethodLine]) -> list[MethodLine]:
    order = in_order(line.method for line in lines)
    return sorted(lines, key=lambda line: order.index(line.method))


def place_of(line: MethodLine, ranked: list[MethodLine]) -> int:
    """1 + the number of methods that are clearly better."""
    level = level_with(line, ranked)
    return 1 + sum(difference(other, line) > 0 and other not in level for other in ranked)


def difference(line: MethodLine, other: MethodLine) -> float:
    """`line`'s average less `other`'s, in points, from the means as printed. Both must have one."""
    return round(round(_spread(line).mean, 1) - round(_spread(other).mean, 1), 1)


def _none_is_best(line: MethodLine, level: list[MethodLine]) -> str:
    rivals = _named(level, lambda other: f"{other.label} ({_percent(other)})")
    return f"No method is clearly best: {line.label} ({_percent(line)}) is level with {rivals}"


def _named(lines: list[MethodLine], name: Callable[[MethodLine], str] = lambda line: line.label) -> str:
    """Up to three by name; more are only counted."""
    return listed([name(line) for line in lines]) if len(lines) <= 3 else f"{len(lines)} others"


def _to_zero_shot(before: str, spg: MethodLine, zero_shot: MethodLine | None, after: str = "") -> str:
    if zero_shot is None:
        return ""
    gain = difference(spg, zero_shot)
    if gain == 0:
        return f"{before}the same as {mid_sentence(zero_shot.label)}{after}"
    return (
        f"{before}{_points(spg, zero_shot)} {'above' if gain > 0 else 'below'} {mid_sentence(zero_shot.label)}{after}"
    )


def _where(table: ResultTable) -> str:
    noun = PROTOCOLS[table.protocol].noun_of_targets
    if len(table.targets) > 1:
        return f"over {len(table.targets)} {noun} never seen in training"
    return f"on {table.targets[0]}, never seen in training"


def _spread(line: MethodLine) -> Spread:
    assert line.average.measured is not None, f"{line.label} has no average"
    return line.average.measured


def _percent(line: MethodLine) -> str:
    return f"{line.average.measured_text} %"


def _points(line: MethodLine, other: MethodLine) -> str:
    return f"{abs(difference(line, other)):.1f} points"
