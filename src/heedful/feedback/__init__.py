"""Judgements as records and tables, and the ways in and out."""

from heedful.feedback.asked import Question
from heedful.feedback.candidates import read_candidates, read_contexts
from heedful.feedback.check import check
from heedful.feedback.counts import summarise
from heedful.feedback.hired import HiredRater, read_raters
from heedful.feedback.prefixes import agreeing, prefix_labels, until_first_error
from heedful.feedback.reactions import Exchange, Mined, by_rule, mined
from heedful.feedback.read import iter_parts, iter_tables, read
from heedful.feedback.record import CHOICES, KINDS, SCHEMA_VERSION, Address, Candidate, PartRecord, Rater, Record, Value
from heedful.feedback.sheets import write_questions
from heedful.feedback.streams import refuse_overwriting
from heedful.feedback.table import SCHEMA, Feedback, Reject, Source, Table
from heedful.feedback.write import Written, write, write_rejects, writer

__all__ = [
    "CHOICES",
    "KINDS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Address",
    "Candidate",
    "Exchange",
    "Feedback",
    "HiredRater",
    "Mined",
    "PartRecord",
    "Question",
    "Rater",
    "Record",
    "Reject",
    "Source",
    "Table",
    "Value",
    "Written",
    "agreeing",
    "by_rule",
    "check",
    "iter_parts",
    "iter_tables",
    "mined",
    "prefix_labels",
    "read",
    "read_candidates",
    "read_contexts",
    "read_raters",
    "refuse_overwriting",
    "summarise",
    "until_first_error",
    "write",
    "write_questions",
    "write_rejects",
    "writer",
]
