"""The report: one HTML file that opens offline, and summary.json, from which it can be drawn again."""

from heedful.report.page import render
from heedful.report.run import run
from heedful.report.summary import Summary, load_summary, to_json
from heedful.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "Summary", "load_summary", "render", "run", "to_json", "write_report"]
