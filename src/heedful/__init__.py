"""Learning from feedback: judgements of AI outputs in, calibrated preferences, next questions and better systems out.

>>> import heedful
>>> done = heedful.run("votes.csv", out="report")  # doctest: +SKIP
>>> done.summary["ranking"][0]["item"]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heedful._version import __version__

if TYPE_CHECKING:
    from heedful.core import Estimate, Finding, HeedfulError, Interval, Item, Part, Scores
    from heedful.elicitation import ExpectedInformationGain
    from heedful.feedback import Feedback, Record, Table, check, read, write
    from heedful.feedback.store import Store
    from heedful.preference import FittedPosterior, fit, fit_raters, load, rate
    from heedful.preference.general import fit_general
    from heedful.preference.people import fit_groups, fit_people
    from heedful.report import run
    from heedful.rewriting import Code, Number, Text, improve, stage, trace
    from heedful.sampling import BestOfN, Exact
    from heedful.target import Target

# Where each public name lives; a package is imported when one of its names is first used.
_HOME = {
    "core": ("Estimate", "Finding", "HeedfulError", "Interval", "Item", "Part", "Scores"),
    "elicitation": ("ExpectedInformationGain",),
    "feedback": ("Feedback", "Record", "Table", "check", "read", "write"),
    "feedback.store": ("Store",),
    "preference": ("FittedPosterior", "fit", "fit_raters", "load", "rate"),
    "preference.general": ("fit_general",),
    "preference.people": ("fit_groups", "fit_people"),
    "report": ("run",),
    "rewriting": ("Code", "Number", "Text", "improve", "stage", "trace"),
    "sampling": ("BestOfN", "Exact"),
    "target": ("Target",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "BestOfN",
    "Code",
    "Estimate",
    "Exact",
    "ExpectedInformationGain",
    "Feedback",
    "Finding",
    "FittedPosterior",
    "HeedfulError",
    "Interval",
    "Item",
    "Number",
    "Part",
    "Record",
    "Scores",
    "Store",
    "Table",
    "Target",
    "Text",
    "__version__",
    "check",
    "fit",
    "fit_general",
    "fit_groups",
    "fit_people",
    "fit_raters",
    "improve",
    "load",
    "rate",
    "read",
    "run",
    "stage",
    "trace",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'heedful' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"heedful.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
