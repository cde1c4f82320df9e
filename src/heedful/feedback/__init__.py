"""Judgements as records and tables, and the ways in and out."""

from heedful.feedback.record import CHOICES, KINDS, SCHEMA_VERSION, Address, Candidate, PartRecord, Rater, Record, Value
from heedful.feedback.table import SCHEMA, Feedback, Reject, Source, Table

__all__ = [
    "CHOICES",
    "KINDS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Address",
    "Candidate",
    "Feedback",
    "PartRecord",
    "Rater",
    "Record",
    "Reject",
    "Source",
    "Table",
    "Value",
]
