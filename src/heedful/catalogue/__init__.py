"""Published methods as configurations of the components, each with a small honest test of what it claims."""

from heedful.catalogue.entry import Entry, Run, run
from heedful.catalogue.page import page
from heedful.catalogue.registry import entry, ids, listing, result, write_result
from heedful.catalogue.shares import recorded, shares
from heedful.catalogue.verdicts import Check, Verdict

__all__ = [
    "Check",
    "Entry",
    "Run",
    "Verdict",
    "entry",
    "ids",
    "listing",
    "page",
    "recorded",
    "result",
    "run",
    "shares",
    "write_result",
]
