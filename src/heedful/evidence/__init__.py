"""Potentials: pieces of evidence about what is good, and their algebra."""

from heedful.core.algebra import Expressible, Expression, Term
from heedful.evidence.corrections import Corrected
from heedful.evidence.formats import Matching, valid_json
from heedful.evidence.implicit import ImplicitReward
from heedful.evidence.labelled import Labelled
from heedful.evidence.linear_values import LinearValue
from heedful.evidence.logic import Combined, conjunction, disjunction, mixture, negation, threshold
from heedful.evidence.lookahead import Lookahead
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
from heedful.evidence.steps import InOneText, PrefixValue, Steps, prefixes
from heedful.evidence.value_fits import FittedValues, Foresight, fit_values, foresight
from heedful.evidence.value_trees import ValueTree, exact_values

__all__ = [
    "Combined",
    "Constant",
    "Corrected",
    "Expressible",
    "Expression",
    "FittedValues",
    "Foresight",
    "ImplicitReward",
    "InOneText",
    "Labelled",
    "LinearValue",
    "LogProb",
    "Lookahead",
    "Matching",
    "Pessimistic",
    "PrefixValue",
    "Readout",
    "Routed",
    "Rule",
    "Steps",
    "Term",
    "ValueTree",
    "conjunction",
    "constraint",
    "disjunction",
    "exact_values",
    "fit_values",
    "foresight",
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
