"""What people look at after a run: the console's table, `summary.md` and `report.html`."""

from spg_dist.report.console import render_table
from spg_dist.report.contents import Curve, Projection, ReportInput, Sample
from spg_dist.report.naming import method_label
from spg_dist.report.page import write_report
from spg_dist.report.published import PublishedFigure, published_context_tokens, published_figure
from spg_dist.report.summary import write_summary

__all__ = [
    "Curve",
    "Projection",
    "PublishedFigure",
    "ReportInput",
    "Sample",
    "method_label",
    "published_context_tokens",
    "published_figure",
    "render_table",
    "write_report",
    "write_summary",
]
