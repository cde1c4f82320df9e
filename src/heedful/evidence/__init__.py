"""Potentials: pieces of evidence about what is good, and their algebra."""

from heedful.core.algebra import Expressible, Expression, Term
from heedful.evidence.corrections import Corrected
from heedful.evidence.criteria import OVERALL, Criterion, read_criteria
from heedful.evidence.follow_ups import FollowUps
from heedful.evidence.formats import Matching, valid_json
from heedful.evidence.implicit import ImplicitReward
from heedful.evidence.labelled import Labelled
from heedful.evidence.linear_values import LinearValue
from heedful.evidence.list_judge import ListJudge, ListVerdicts, balanced_orders
from heedful.evidence.logic import Combined, conjunction, disjunction, mixture, negation, threshold
from heedful.evidence.lookahead import Lookahead
from heedful.evidence.pair_judge import PairJudge, PairVerdicts
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
from heedful.evidence.reading_reactions import ReactionReader
from heedful.evidence.sandbox.isolation import IsolationError
from heedful.evidence.scope import Routed, routed, scoped, worst
from heedful.evidence.score_judge import JudgedScore, ScoreJudge, ScoreVotes, rubric
from heedful.evidence.steps import InOneText, PrefixValue, Steps, prefixes
from heedful.evidence.unit_tests import Asserts, Outcome, Script, UnitTests, asserts, in_words, program_of
from heedful.evidence.value_fits import FittedValues, Foresight, fit_values, foresight
from heedful.evidence.value_trees import ValueTree, exact_values
from heedful.evidence.weighted_steps import WeightedSteps

__all__ = [
    "OVERALL",
    "Asserts",
    "Combined",
    "Constant",
    "Corrected",
    "Criterion",
    "Expressible",
    "Expression",
    "FittedValues",
    "FollowUps",
    "Foresight",
    "ImplicitReward",
    "InOneText",
    "IsolationError",
    "JudgedScore",
    "Labelled",
    "LinearValue",
    "ListJudge",
    "ListVerdicts",
    "LogProb",
    "Lookahead",
    "Matching",
    "Outcome",
    "PairJudge",
    "PairVerdicts",
    "Pessimistic",
    "PrefixValue",
    "ReactionReader",
    "Readout",
    "Routed",
    "Rule",
    "ScoreJudge",
    "ScoreVotes",
    "Script",
    "Steps",
    "Term",
    "UnitTests",
    "ValueTree",
    "WeightedSteps",
    "asserts",
    "balanced_orders",
    "conjunction",
    "constraint",
    "disjunction",
    "exact_values",
    "fit_values",
    "foresight",
    "in_words",
    "lowered",
    "mixture",
    "negation",
    "pessimistic",
    "prefixes",
    "program_of",
    "read_criteria",
    "routed",
    "rubric",
    "scoped",
    "term",
    "threshold",
    "valid_json",
    "worst",
]
