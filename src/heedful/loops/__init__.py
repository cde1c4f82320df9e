"""Loops join the packages: from a table of judgements to a decision, and the steps on the way."""

from heedful.loops.asking import Asked, Wanted, ask, next_questions
from heedful.loops.decide import Decision, Options, decide
from heedful.loops.engines import ENGINES, Sampling
from heedful.loops.fitting import (
    Fitter,
    PriorSd,
    choose_criterion,
    choose_fitter,
    described,
    fit_table,
    fit_to_ask,
    prior_of,
)
from heedful.loops.judging import JUDGED, Judging, groups_to_judge, judge
from heedful.loops.reliability import rater_reliability
from heedful.loops.sampling import evidence_of, planned_cost, sample
from heedful.loops.steps import convert, pick_best, plan_labels, posterior_at, rank_systems
from heedful.loops.testing import read_tests

__all__ = [
    "ENGINES",
    "JUDGED",
    "Asked",
    "Decision",
    "Fitter",
    "Judging",
    "Options",
    "PriorSd",
    "Sampling",
    "Wanted",
    "ask",
    "choose_criterion",
    "choose_fitter",
    "convert",
    "decide",
    "described",
    "evidence_of",
    "fit_table",
    "fit_to_ask",
    "groups_to_judge",
    "judge",
    "next_questions",
    "pick_best",
    "plan_labels",
    "planned_cost",
    "posterior_at",
    "prior_of",
    "rank_systems",
    "rater_reliability",
    "read_tests",
    "sample",
]
