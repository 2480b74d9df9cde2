"""The large figures under the headline: SPG, its strongest rival, the distance to zero-shot CLIP, the images tested."""

from __future__ import annotations

from collections.abc import Sequence

from spg_dist.report.contents import ReportInput
from spg_dist.report.naming import is_in_focus, is_reference, is_trained, mid_sentence
from spg_dist.report.shell import Number
from spg_dist.report.standing import difference, level_with, place_of, ranked_lines
from spg_dist.report.table import MethodLine, ResultTable


def large_figures(report: ReportInput, tables: Sequence[ResultTable]) -> list[Number]:
    """Up to four figures of the first table; none of an empty report."""
    if not tables:
        return []
    table = tables[0]
    ranked = ranked_lines(table)
    spg = next((line for line in ranked if is_in_focus(line.method)), None)
    rival = next((line for line in ranked if line is not spg), None)
    average = ", average" if len(table.targets) > 1 else ""
    numbers = []
    if spg:
        place = f"place {place_of(spg, ranked)} of {len(ranked)}" + (", shared" if level_with(spg, ranked) else "")
        numbers.append(Number(f"{spg.label}{average}", _value(spg), f"{_spread(spg)}; {place}"))
    if rival:
        label = f"Highest other: {rival.label}" if spg else f"Highest: {rival.label}"
        numbers.append(Number(label, _value(rival), _spread(rival)))
    zero_shot = next((line for line in ranked if is_reference(line.method)), None)
    if spg and zero_shot:
        gain = difference(spg, zero_shot)
        sign = "+" if gain > 0 else "−" if gain < 0 else "±"
        remark = "points, within the spread" if gain and zero_shot in level_with(spg, ranked) else "points of accuracy"
        numbers.append(Number(f"{spg.label} against {mid_sentence(zero_shot.label)}", f"{sign}{abs(gain):.1f}", remark))
    tested = {row.target: row.n for row in report.rows if row.dataset == table.dataset}
    across = f"across {len(tested)} target{'s' if len(tested) > 1 else ''}"
    numbers.append(Number("Images tested", f"{sum(tested.values()):,}", across))
    return numbers


def _value(line: MethodLine) -> str:
    assert line.average.measured is not None
    return f"{line.average.measured.mean:.1f} %"


def _spread(line: MethodLine) -> str:
    measured = line.average.measured
    assert measured is not None
    if not is_trained(line.method):
        return "no training"
    return "one seed" if measured.std is None else f"± {measured.std:.1f} over {measured.count} seeds"
