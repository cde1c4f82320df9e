"""Rewards from comparisons of segments of behaviour, by what they gain or by what they waste.

A segment is steps (state, action) of a decision process whose transitions are known; the reward of a step is φ · w. Two
utilities of a segment are in use:

    partial return   Σ r(s, a)            linear in w: a head on summed features
    negated regret   Σ A*(s, a) <= 0      how far each step falls short of the best one, by the best policy under w

with P(first is preferred) = σ(u₁ − u₂) for both (Knox et al. 2022, "Models of human preference for learning reward
functions"). A* depends on w through the best policy. Where that is unique it stays the same for small changes of w, so
that A* = (φ + γ E ψ(next) − ψ) · w with ψ its successor features, and the derivative in w is the bracket.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from scipy.optimize import minimize

from heedful.core import Floats, InputError
from heedful.models.decisions import DecisionProcess, Policy
from heedful.preference.heads.votes import Votes
from heedful.preference.inference import Point, maximise
from heedful.preference.likelihoods import Likelihood
from heedful.preference.people import checks
from heedful.preference.widths import penalised

_MOST_STEPS = 500


def partial_returns(process: DecisionProcess, visits: Floats) -> Floats:
    """Summed features [m, d] of segments given by how often they take each action in each state, `visits` [m, s, a]."""
    return _summed(process, visits, process.features)


def negated_regrets(process: DecisionProcess, visits: Floats, policy: Policy) -> Floats:
    """Features [m, d] of segments whose weighting by w is Σ A_π(s, a), their negated regret where π is best under w."""
    return _summed(process, visits, process.advantages(policy))


@dataclass(frozen=True)
class RegretFit:
    """`weights` [d] of the reward, a `policy` [s] that is best under it, and the log-posterior there, in nats."""

    weights: Floats
    policy: Policy
    log_posterior: float
    converged: bool


def fit_regret(
    process: DecisionProcess,
    visits: Floats,
    votes: Votes,
    *,
    prior_sd: float = 1.0,
    starts: int = 3,
    rng: np.random.Generator,
) -> RegretFit:
    """The weights of greatest posterior under N(0, prior_sd²) where votes compare segments by regret.

    visits: [m, s, a], the rows that votes are about. The log-posterior is continuous in w and not concave: it is
    climbed by its gradient (L-BFGS) from the fit by partial returns and from `starts` − 1 draws of the prior, and the
    best is taken. Raises InputError where shapes do not fit and as `Votes.check`, UsageError for a width or number of
    starts that is none.
    """
    checks.width(prior_sd, "prior_sd")
    checks.at_least(1, starts=starts)
    returns = partial_returns(process, visits)
    votes.check(returns)
    likelihoods = votes.likelihoods(len(visits))
    first = maximise(penalised(likelihoods, returns, prior_sd)).point.x
    climb = _Climb(process, visits, likelihoods, prior_sd)
    begun = [first, *(np.append(rng.normal(0, prior_sd, climb.d), first[climb.d :]) for _ in range(starts - 1))]
    return max((climb.up(x) for x in begun), key=attrgetter("log_posterior"))


@dataclass(frozen=True)
class _Climb:
    """The log-posterior of w as a function that can be climbed."""

    process: DecisionProcess
    visits: Floats
    likelihoods: tuple[Likelihood, ...]
    prior_sd: float

    @property
    def d(self) -> int:
        return int(self.process.features.shape[2])

    def at(self, x: Floats, policy: Policy | None = None) -> tuple[Point, Policy]:
        """Log-posterior and gradient at x, with the policy best there."""
        best = self.process.best(x[: self.d], policy)
        design = negated_regrets(self.process, self.visits, best)
        return penalised(self.likelihoods, design, self.prior_sd).at(x), best

    def up(self, x: Floats) -> RegretFit:
        held: list[Policy | None] = [None]  # near points share most of their best actions

        def loss(x: Floats) -> tuple[float, Floats]:
            point, held[0] = self.at(x, held[0])
            return -point.value, -point.gradient

        found = minimize(loss, x, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS})
        point, policy = self.at(found.x)
        return RegretFit(found.x[: self.d], policy, point.value, bool(found.success))


def _summed(process: DecisionProcess, visits: Floats, features: Floats) -> Floats:
    """Features of steps [s, a, d] summed over the steps of each segment [m, d]."""
    if visits.ndim != 3 or visits.shape[1:] != process.transitions.shape[:2] or not (visits >= 0).all():
        steps = process.transitions.shape[:2]
        raise InputError(f"visits are counts [m, {steps[0]}, {steps[1]}], not {visits.shape}", where="visits")
    return np.asarray(visits.reshape(len(visits), -1) @ features.reshape(-1, features.shape[2]))
