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
from heedful.loops.reliability import rater_reliability
from heedful.loops.sampling import evidence_of, planned_cost, sample
from heedful.loops.steps import convert, pick_best, plan_labels, posterior_at, rank_systems

__all__ = [
    "ENGINES",
    "Asked",
    "Decision",
    "Fitter",
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
    "next_questions",
    "pick_best",
    "plan_labels",
    "planned_cost",
    "posterior_at",
    "prior_of",
    "rank_systems",
    "rater_reliability",
    "sample",
]
