"""`report.html` of a sweep, in the frame and look of a run's report."""

from tuning.report.contents import SweepReport, TrialRow, report_of
from tuning.report.page import write_sweep_report

__all__ = ["SweepReport", "TrialRow", "report_of", "write_sweep_report"]
