"""How methods, series and domains are called, ordered and coloured, the same in every table and plot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spg_dist.methods import Method, method_of
from spg_dist.report.contents import ReportInput

# Okabe and Ito's palette, which stays distinct under the common kinds of colour blindness. A page shows a shade of each
# that stands out from its light or dark ground (see `svg.THEME`).
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#e69f00", "#009e73", "#cc79a7"
VERMILLION, SKY, YELLOW = "#d55e00", "#56b4e9", "#f0e442"
# Stands for the page's neutral grey, which differs between light and dark (see `svg.THEME`).
NEUTRAL = "#040404"

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY, YELLOW)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 1.5), (1.5, 1.2), (6.0, 1.5, 1.5, 1.5))

_SERIES = {
    "loss": "Loss",
    "train_loss": "Loss",
    "g_loss": "Generator loss",
    "d_loss": "Discriminator loss",
    "val_accuracy": "Validation accuracy, %",
    "val_loss": "Validation loss",
}


@dataclass(frozen=True)
class Look:
    """How a domain is drawn: colour, matplotlib marker, and dash lengths in line widths (empty for a solid line)."""

    colour: str
    marker: str
    dash: tuple[float, ...]


def canonical(name: str) -> str:
    """`Zero_Shot` and `zero-shot` are one method."""
    return re.sub(r"[\s_/]+", "-", name.strip()).casefold()


def is_in_focus(method: str) -> bool:
    """Whether a report states this method's place."""
    return (known := _known(method)) is not None and known.role == "focus"


def is_reference(method: str) -> bool:
    """Whether a report measures distances from this method."""
    return (known := _known(method)) is not None and known.role == "reference"


def method_label(method: str) -> str:
    return known.label if (known := _known(method)) else method


def mid_sentence(label: str) -> str:
    """A label that is not the first of its sentence: `Zero-shot CLIP` without the capital, `SPG` as it is."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def is_trained(method: str) -> bool:
    """False only for a method that is known to learn nothing."""
    return (known := _known(method)) is None or known.trains


def stage_label(method: str) -> str:
    return known.series_label or known.label if (known := _known(method)) else method


def _known(name: str) -> Method[Any] | None:
    """The method of a row; None where it came from a plugin or package that is not here."""
    try:
        return method_of(canonical(name))
    except ValueError:
        return None


def series_label(series: str) -> str:
    return _SERIES.get(series, series.replace("_", " "))


def in_order(methods: Iterable[str]) -> list[str]:
    """Distinct methods from the plainest up; those of one rank, and those not known here, keep their order."""

    def rank(method: str) -> int:
        return known.rank if (known := _known(method)) else Method.rank

    return sorted(dict.fromkeys(methods), key=rank)


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """A colour for each method: its own where it has one, else the next one that no other method has."""
    colours = {method: known.colour for method in methods if (known := _known(method)) and known.colour}
    free = [c for c in (*_COLOURS, NEUTRAL) if c not in colours.values()] or list(_COLOURS)
    others = [method for method in methods if method not in colours]
    return colours | {method: free[index % len(free)] for index, method in enumerate(others)}


def domain_looks(report: ReportInput) -> dict[str, Look]:
    """A look for every domain or run that the report names, in order of appearance and the same in all plots.

    Markers and colours repeat with different periods, and dashes change once the colours are used up, so that it takes
    more than forty domains before two look the same.
    """
    names = [row.target for row in report.rows]
    names += [name for projection in report.projections for name in dict.fromkeys(projection.domain_N)]
    names += [curve.run for curve in report.curves] + [sample.domain for sample in report.samples]
    return {
        name: Look(
            colour=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            dash=_DASHES[(index // len(_COLOURS)) % len(_DASHES)],
        )
        for index, name in enumerate(dict.fromkeys(names))
    }
