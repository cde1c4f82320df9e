"""Potentials: pieces of evidence about what is good, and their algebra."""

from heedful.core.algebra import Expressible, Expression, Term
from heedful.evidence.logic import Combined, conjunction, disjunction, mixture, negation, threshold
from heedful.evidence.potentials import Constant, LogProb, Pessimistic, Rule, constraint, lowered, pessimistic, term
from heedful.evidence.scope import Routed, routed, scoped, worst

__all__ = [
    "Combined",
    "Constant",
    "Expressible",
    "Expression",
    "LogProb",
    "Pessimistic",
    "Routed",
    "Rule",
    "Term",
    "conjunction",
    "constraint",
    "disjunction",
    "lowered",
    "mixture",
    "negation",
    "pessimistic",
    "routed",
    "scoped",
    "term",
    "threshold",
    "worst",
]
