"""Generated prompts in two dimensions, each domain with a colour and a marker of its own."""

from __future__ import annotations

from spg_dist.report.contents import Projection
from spg_dist.report.naming import Look
from spg_dist.report.svg import MUTED, RULE, SURFACE, inline_svg, panel, plot_style

_WIDTH, _HEIGHT = 340.0, 290.0
# Every point is an element of the page: more of them make it heavy without showing more.
POINTS_SHOWN = 900


def scatter(projection: Projection, looks: dict[str, Look], name: str) -> str:
    """The projection as SVG. Of more than `POINTS_SHOWN` points every k-th of each domain is drawn."""
    by_domain: dict[str, list[tuple[float, float]]] = {}
    for point, domain in zip(projection.points_N2, projection.domain_N, strict=True):
        by_domain.setdefault(domain, []).append(point)
    stride = -(-len(projection.points_N2) // POINTS_SHOWN) or 1
    first, second = (
        f"component {i} ({share:.0%} of variance)" for i, share in enumerate(projection.explained, start=1)
    )
    with plot_style():
        figure, axes = panel(_WIDTH, _HEIGHT)
        figure.subplots_adjust(left=0.075, right=0.985, top=0.98, bottom=0.085)
        # The unseen domain lies on top: it is what the picture is about.
        for domain in sorted(by_domain, key=lambda d: d == projection.target):
            xs, ys = zip(*by_domain[domain][::stride], strict=True)
            unseen = domain == projection.target
            axes.plot(
                xs,
                ys,
                linestyle="",
                marker=looks[domain].marker,
                markersize=6.0 if unseen else 4.5,
                color=looks[domain].colour,
                alpha=0.95 if unseen else 0.6,
                markeredgecolor=SURFACE,
                markeredgewidth=0.5,
            )
        axes.grid(color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(labelbottom=False, labelleft=False)
        axes.set_xlabel(first, fontsize=10, color=MUTED)
        axes.set_ylabel(second, fontsize=10, color=MUTED)
        counts = ", ".join(f"{domain} {len(points)}" for domain, points in by_domain.items())
        said = f"{projection.title}; {projection.target} unseen. Prompts by domain: {counts}. {first}; {second}."
        return inline_svg(figure, name, said)


def scatter_note(projection: Projection) -> str:
    """How many of the points are drawn, where it is not all of them."""
    stride = -(-len(projection.points_N2) // POINTS_SHOWN) or 1
    if stride == 1:
        return f"{len(projection.points_N2)} prompts"
    return f"one in {stride} of {len(projection.points_N2)} prompts"
