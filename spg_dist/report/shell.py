"""The frame of a page: head, warnings, large figures, facts, contents; templates of other rooms may extend it.

A page is one file without scripts that loads nothing: styles and drawings are inline and images are data URLs. All text
goes through the template's autoescape; only drawings made by `svg.inline_svg`, which escapes its own text, are passed
as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spg_dist.report.naming import Look
from spg_dist.report.svg import themed


@dataclass(frozen=True)
class Number:
    """One of the large figures under the headline."""

    label: str
    value: str
    remark: str


@dataclass(frozen=True)
class Shell:
    """What stands around a page's sections.

    Arguments:
        title: of the browser's tab.
        kicker: the kind of page, above the heading: "run report".
        heading: the name of what is reported.
        warnings: sentences that must be read first.
        lead: the outcome in a sentence or two.
        numbers: up to four large figures.
        facts: label → text.
        sections: id → title of the page's sections, in order, for the table of contents; an empty page has none.
    """

    title: str
    kicker: str
    heading: str
    warnings: list[str]
    lead: str
    numbers: list[Number]
    facts: dict[str, str]
    sections: dict[str, str]


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption and a remark under it."""

    title: str
    drawing: Markup
    note: str = ""


@dataclass(frozen=True)
class Legend:
    """What colours and marks stand for: `means` says what the names are, `looks` gives each its look."""

    means: str
    looks: dict[str, Look]


@dataclass(frozen=True)
class FigureGroup:
    """Figures that share a heading and a legend."""

    title: str
    figures: list[Figure]
    legend: Legend | None = None


def page_html(template: str, shell: Shell, package: str = "spg_dist.report", **content: Any) -> str:
    """A whole page.

    Arguments:
        template: a Jinja template in `package` that extends `shell.html.j2`, fills its block `main` with
            `<section id=...>` elements, and may import the macros of `pieces.html.j2` (figures, legend, line_key,
            point_key).
        shell: passed to the template as `shell`.
        package: the Python package whose folder holds the template; those of this package are found from everywhere.
        content: what else the template shows; a name that it uses and nobody gives is an error.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in dict.fromkeys([package, "spg_dist.report"])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["themed"] = themed
    return environment.get_template(template).render(shell=shell, **content)
