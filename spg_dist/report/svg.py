"""Matplotlib figures as inline SVG that follows the page: its fonts and its light or dark colours, no outside file."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spg_dist.report.naming import BLUE, GREEN, NEUTRAL, ORANGE, PURPLE, SKY, VERMILLION, YELLOW

# Colours that no plot uses otherwise: drawn by matplotlib, then exchanged for the page's variables, because an SVG that
# is to follow light and dark cannot hold fixed colours.
INK, MUTED, RULE, SURFACE = "#010101", "#020202", "#030303", "#050505"
THEME = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    NEUTRAL: "var(--neutral)",
    SURFACE: "var(--surface)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
    VERMILLION: "var(--vermillion)",
    SKY: "var(--sky)",
    YELLOW: "var(--yellow)",
}

_SETTINGS = {
    # Text stays text: small, searchable, in the page's font; `$` in a class name is no formula.
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "font.size": 12.0,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Matplotlib's settings for everything that is drawn and saved inside."""
    with matplotlib.rc_context(_SETTINGS):
        yield


def themed(colour: str) -> str:
    """The page's variable for a colour of `THEME`; any other colour as it is."""
    return THEME.get(colour, colour)


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A transparent figure of `width` by `height` points with one bare axes. Needs no display and no pyplot."""
    figure = Figure(figsize=(width / 72, height / 72))
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=11)
    return figure, axes


def inline_svg(figure: Figure, name: str, alternative: str) -> str:
    """The figure as an `<svg>` element.

    Arguments:
        figure: drawn inside `plot_style`, and to be saved inside it too.
        name: unique on the page; every id of the drawing is prefixed by it, since all drawings share one document.
        alternative: what the drawing says, for those who cannot see it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Matplotlib's style sheet would apply to the whole page; the page's own says the same for drawings only.
    drawing = re.sub(r"<style[^>]*>.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", drawing)
    drawing = drawing.replace("xlink:href=", "href=")
    drawing = re.sub(r'(\sid=")', rf"\1{name}-", drawing)
    drawing = re.sub(r'(\shref="#|url\(#)', rf"\1{name}-", drawing)
    drawing = re.sub(
        r'style="[^"]*"', lambda style: re.sub(r"#\w{6}", lambda c: themed(c.group()), style.group()), drawing
    )
    view_box = re.search(r'viewBox="[^"]*"', drawing)
    assert view_box is not None, "matplotlib writes a viewBox"
    title = f'<title id="{name}-title">{html.escape(alternative)}</title>'
    opening = f'<svg {view_box.group()} role="img" aria-labelledby="{name}-title">{title}'
    return opening + drawing[drawing.index(">") + 1 :].rstrip()
