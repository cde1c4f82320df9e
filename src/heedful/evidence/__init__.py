"""Potentials: pieces of evidence about what is good, and their algebra."""

from heedful.core.algebra import Expressible, Expression, Term
from heedful.evidence.logic import Combined, conjunction, disjunction, mixture, negation, threshold
from heedful.evidence.potentials import Constant, LogProb, Pessimistic, Rule, constraint, lowered, pessimistic, term

__all__ = [
    "Combined",
    "Constant",
    "Expressible",
    "Expression",
    "LogProb",
    "Pessimistic",
    "Rule",
    "Term",
    "conjunction",
    "constraint",
    "disjunction",
    "lowered",
    "mixture",
    "negation",
    "pessimistic",
    "term",
    "threshold",
]
