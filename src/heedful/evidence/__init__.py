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
from heedful.evidence.sandbox.isolation import IsolationError
from heedful.evidence.scope import Routed, routed, scoped, worst
from heedful.evidence.steps import PrefixValue, Steps, prefixes
from heedful.evidence.unit_tests import Asserts, Outcome, Script, UnitTests, asserts, in_words, program_of
from heedful.evidence.weighted_steps import WeightedSteps

__all__ = [
    "Asserts",
    "Combined",
    "Constant",
    "Corrected",
    "Expressible",
    "Expression",
    "ImplicitReward",
    "IsolationError",
    "Labelled",
    "LogProb",
    "Matching",
    "Outcome",
    "Pessimistic",
    "PrefixValue",
    "Readout",
    "Routed",
    "Rule",
    "Script",
    "Steps",
    "Term",
    "UnitTests",
    "WeightedSteps",
    "asserts",
    "conjunction",
    "constraint",
    "disjunction",
    "in_words",
    "lowered",
    "mixture",
    "negation",
    "pessimistic",
    "prefixes",
    "program_of",
    "routed",
    "scoped",
    "term",
    "threshold",
    "valid_json",
    "worst",
]
