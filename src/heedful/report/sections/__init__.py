"""The sections of the report, one module each; every one is a function of the summary."""

from heedful.report.sections.agreement import agreement
from heedful.report.sections.answer import answer
from heedful.report.sections.data import data
from heedful.report.sections.findings import findings
from heedful.report.sections.glossary import glossary
from heedful.report.sections.made import made
from heedful.report.sections.picks import picks
from heedful.report.sections.prediction import prediction
from heedful.report.sections.questions import questions
from heedful.report.sections.ranking import ranking
from heedful.report.sections.win_rates import win_rates

__all__ = [
    "agreement",
    "answer",
    "data",
    "findings",
    "glossary",
    "made",
    "picks",
    "prediction",
    "questions",
    "ranking",
    "win_rates",
]
