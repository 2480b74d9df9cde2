"""Points in two dimensions, each group with a colour and a marker of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spg_dist.report.naming import Look
from spg_dist.report.svg import MUTED, RULE, SURFACE, inline_svg, panel, plot_style

_WIDTH, _HEIGHT = 340.0, 290.0
# Every point is an element of the page: more of them make it heavy without showing more.
POINTS_SHOWN = 900


@dataclass(frozen=True)
class PointGroup:
    """Points of one kind; those that stand out are larger and lie on top."""

    label: str
    look: Look
    points_N2: Sequence[tuple[float, float]]
    stands_out: bool = False


def scatter_plot(
    groups: Sequence[PointGroup], name: str, about: str, axis_labels: tuple[str, str], *, ticks: bool = True
) -> str:
    """Points as an `<svg>` element; of more than `POINTS_SHOWN` every k-th of each group is drawn.

    Arguments:
        groups: each with at least one point.
        name: unique on the page.
        about: what is drawn, for those who cannot see it; the groups' sizes and the axes are added.
        axis_labels: of the horizontal and the vertical axis.
        ticks: whether the axes carry numbers.
    """
    every = stride(sum(len(group.points_N2) for group in groups))
    with plot_style():
        figure, axes = panel(_WIDTH, _HEIGHT)
        figure.subplots_adjust(left=0.15 if ticks else 0.075, right=0.985, top=0.98, bottom=0.14 if ticks else 0.085)
        for group in sorted(groups, key=lambda group: group.stands_out):
            xs, ys = zip(*group.points_N2[::every], strict=True)
            axes.plot(
                xs,
                ys,
                linestyle="",
                marker=group.look.marker,
                markersize=6.0 if group.stands_out else 4.5,
                color=group.look.colour,
                alpha=0.95 if group.stands_out else 0.6,
                markeredgecolor=SURFACE,
                markeredgewidth=0.5,
            )
        axes.grid(color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(labelbottom=ticks, labelleft=ticks)
        axes.set_xlabel(axis_labels[0], fontsize=10, color=MUTED)
        axes.set_ylabel(axis_labels[1], fontsize=10, color=MUTED)
        counts = ", ".join(f"{group.label} {len(group.points_N2)}" for group in groups)
        return inline_svg(figure, name, f"{about} Points: {counts}. {axis_labels[0]}; {axis_labels[1]}.")


def stride(points: int) -> int:
    """Of so many points every how manieth is drawn."""
    return -(-points // POINTS_SHOWN) or 1
