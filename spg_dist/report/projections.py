"""Generated prompts in two dimensions, by the domain of the image that each was generated for."""

from __future__ import annotations

from spg_dist.report.contents import Projection
from spg_dist.report.naming import Look
from spg_dist.report.scatter import PointGroup, scatter_plot, stride


def projection_plot(projection: Projection, looks: dict[str, Look], name: str) -> str:
    """The projection as an `<svg>` element."""
    by_domain: dict[str, list[tuple[float, float]]] = {}
    for point, domain in zip(projection.points_N2, projection.domain_N, strict=True):
        by_domain.setdefault(domain, []).append(point)
    groups = [
        PointGroup(domain, looks[domain], points, stands_out=domain in projection.unseen)
        for domain, points in by_domain.items()
    ]
    first, second = (
        f"component {i} ({100 * share:.0f} % of variance)" for i, share in enumerate(projection.explained, start=1)
    )
    return scatter_plot(groups, name, f"{projection.title}. {_unseen(projection)}.", (first, second), ticks=False)


def projection_note(projection: Projection) -> str:
    """Which domains the generator never saw, and how many of the points are drawn, where it is not all of them."""
    points = len(projection.points_N2)
    every = stride(points)
    return f"{_unseen(projection)} · " + (f"{points} prompts" if every == 1 else f"one in {every} of {points} prompts")


def _unseen(projection: Projection) -> str:
    return f"Unseen in training: {', '.join(projection.unseen) or 'none of these'}"
