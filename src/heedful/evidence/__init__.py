"""Potentials: pieces of evidence about what is good, and their algebra."""

from heedful.core.algebra import Expressible, Expression, Term
from heedful.evidence.corrections import Corrected
from heedful.evidence.formats import Matching, valid_json
from heedful.evidence.implicit import ImplicitReward
from heedful.evidence.labelled import Labelled
from heedful.evidence.logic import Combined, conjunction, disjunction, mixture, negation, threshold
from heedful.evidence.potentials import (
    Constant,
    LogProb,
    Pessimistic,
    Readout,
    Rule,
    constraint,
    lowered,
    pessimistic,
    term,
)
from heedful.evidence.scope import Routed, routed, scoped, worst
from heedful.evidence.steps import PrefixValue, Steps, prefixes

__all__ = [
    "Combined",
    "Constant",
    "Corrected",
    "Expressible",
    "Expression",
    "ImplicitReward",
    "Labelled",
    "LogProb",
    "Matching",
    "Pessimistic",
    "PrefixValue",
    "Readout",
    "Routed",
    "Rule",
    "Steps",
    "Term",
    "conjunction",
    "constraint",
    "disjunction",
    "lowered",
    "mixture",
    "negation",
    "pessimistic",
    "prefixes",
    "routed",
    "scoped",
    "term",
    "threshold",
    "valid_json",
    "worst",
]
