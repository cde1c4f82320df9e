"""The likelihood of utilities with what is not known of the raters summed over, its gradient and its information.

With counts N[r, e] of answers, L(x) = Σ_r m_r log Σ_g π_g exp(Σ_e N[r, e] log P_g(e)). By Fisher's and Louis's (1982)
identities, with w[r, g] the probability that rater r is of type g and s_rg the gradient of Σ_e N[r, e] log P_g(e):

    ∇L = Σ_r m_r E_w[s_rg],     −∇²L = Σ_r m_r (E_w[−∇s_rg] − Cov_w[s_rg])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

from heedful.core import Floats
from heedful.preference.raters_types import Answers, Types, answers
from heedful.preference.raters_votes import RaterVotes

# Priors of what all raters share: average lean, and log tie weights, N(mean, sd²).
LEAN_PRIOR = (0.0, 2.0)
TIE_PRIOR = (-1.0, 3.0)
STYLE_SD = 2.0
# Votes tell the product of sharpness and utilities alone: a precision that fixes the mean absolute sharpness at 1.
_PIN = 1e4
# Numbers held at once while raters are summed over.
_ROOM = 8_000_000


@dataclass(frozen=True)
class Marginal:
    """The log-posterior of x [P] = (utilities, style coefficients; μ, log ν, log ν₀ as far as told; α).

    Utilities have the prior N(0, `spread`²). `tilt` [P] @ x is added: what integrating over the utilities, instead of
    taking them at their mode, adds to the gradient of what all raters share.
    """

    votes: RaterVotes
    types: Types
    spread: float
    tilt: Floats | None = None

    @cached_property
    def design(self) -> Any:
        return self.votes.design

    @cached_property
    def items(self) -> int:
        return len(self.votes.names)

    @cached_property
    def width(self) -> int:
        """How many parameters Δ depends on: utilities and style coefficients."""
        return len(self.votes.names) + len(self.votes.style)

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """Names of what all raters share."""
        return ("lean",) * self.votes.ordered + ("log tie", "log blind tie") * self.votes.ties

    @cached_property
    def size(self) -> int:
        return self.width + len(self.shared) + len(self.types.sd)

    @cached_property
    def prior(self) -> tuple[Floats, Floats]:
        """Mean and precision of the prior on x [P]."""
        shared = [LEAN_PRIOR if name == "lean" else TIE_PRIOR for name in self.shared]
        mean = np.concatenate([np.zeros(self.width), [m for m, _ in shared], np.zeros(len(self.types.sd))])
        styled = self.width - self.items
        common = np.array([s for _, s in shared])
        sd = np.concatenate([np.full(self.items, self.spread), np.full(styled, STYLE_SD), common, self.types.sd])
        return mean, np.asarray(sd**-2.0)

    def start(self) -> Floats:
        return np.concatenate([np.zeros(self.width), self.prior[0][self.width :][: len(self.shared)], self.types.start])

    def parts(self, x: Floats) -> tuple[Floats, tuple[float, float, float], Floats]:
        """Δ's parameters, (μ, log ν, log ν₀), α."""
        k = len(self.shared)
        own = dict(zip(self.shared, x[self.width : self.width + k].tolist(), strict=True))
        shared = own.get("lean", 0.0), own.get("log tie", -np.inf), own.get("log blind tie", -np.inf)
        return x[: self.width], shared, x[self.width + k :]

    def answers(self, x: Floats, *, curved: bool = False) -> Answers:
        theta, shared, _ = self.parts(x)
        votes = self.votes
        return answers(self.types, votes.outcome, votes.shown, self.design @ theta, shared, curved=curved)

    def posterior_types(self, x: Floats, given: Answers | None = None) -> tuple[Floats, Floats]:
        """Probability of each type [r, G] given each rater's votes, and the log-likelihood of these votes [r]."""
        given = given or self.answers(x)
        joint = self.votes.counts @ given.log_p + self.types.log_prior(self.parts(x)[2])
        total = logsumexp(joint, axis=1)
        return np.exp(joint - total[:, None]), total

    def value(self, x: Floats) -> tuple[float, Floats]:
        """The log-posterior up to a constant (nats), and its gradient [P]."""
        given = self.answers(x)
        chance, total = self.posterior_types(x, given)
        counted = self.votes.multiplicity[:, None] * chance
        weight = self.votes.counts.T @ counted
        shared = [_dot(weight, getattr(given, _SHARED[name])) for name in self.shared]
        prior = np.exp(self.types.log_prior(self.parts(x)[2]))
        told = self.types.basis.T @ (counted.sum(axis=0) - self.votes.multiplicity.sum() * prior)
        slope = self.design.T @ np.einsum("eg,eg->e", weight, given.slope)
        off_unit, towards = self._unit(prior)
        mean, precision = self.prior
        off = x - mean
        value = float(self.votes.multiplicity @ total) - float(precision @ off**2) / 2 - _PIN * off_unit**2 / 2
        gradient = np.concatenate([slope, shared, told - _PIN * off_unit * towards]) - precision * off
        if self.tilt is None:
            return value, gradient
        return value + float(self.tilt @ x), gradient + self.tilt

    def _unit(self, prior: Floats) -> tuple[float, Floats]:
        """By how much the mean absolute sharpness exceeds 1, and its gradient in α [K]. With one sharpness: zeros."""
        size = np.abs(self.types.sharpness)
        mean = float(prior @ size)
        return mean - 1, self.types.basis.T @ (prior * (size - mean))

    def complete(self, x: Floats) -> Floats:
        """A positive matrix [P, P] near the information were each rater's type known: a metric to climb in."""
        given = self.answers(x)
        chance, _ = self.posterior_types(x, given)
        counted = self.votes.multiplicity[:, None] * chance
        weight = self.votes.counts.T @ counted
        each = np.einsum("eg,eg->e", weight, given.slope**2)
        matrix = np.diag(self.prior[1])
        matrix[: self.width, : self.width] += (self.design.T @ (self.design * each[:, None])).toarray()
        for place, name in enumerate(self.shared, self.width):
            matrix[place, place] += _dot(weight, getattr(given, _SHARED[name]) ** 2)
        alpha = slice(self.width + len(self.shared), None)
        matrix[alpha, alpha] += self._prior_information(x, exact=False)
        return matrix

    def _prior_information(self, x: Floats, *, exact: bool) -> Floats:
        """Σ_r m_r Cov_π[φ] [K, K], with the curvature of what fixes the unit of sharpness, exact or made positive."""
        prior = np.exp(self.types.log_prior(self.parts(x)[2]))
        off_unit, towards = self._unit(prior)
        centred = self.types.basis - prior @ self.types.basis
        size = np.abs(self.types.sharpness)
        bent = _PIN * off_unit * (size - prior @ size) if exact else 0.0
        weight = prior * (self.votes.multiplicity.sum() + bent)
        return np.asarray((centred.T * weight) @ centred + _PIN * np.outer(towards, towards))

    def information(self, x: Floats) -> Floats:
        """The negative Hessian of the log-posterior [P, P]; its columns of what all raters share by differences."""
        given = self.answers(x, curved=True)
        chance, _ = self.posterior_types(x, given)
        counted = self.votes.multiplicity[:, None] * chance
        assert given.curvature is not None
        weight = self.votes.counts.T @ counted
        each = -np.einsum("eg,eg->e", weight, given.curvature)
        d, k = self.width, len(self.shared)
        alpha = slice(d + k, None)
        matrix = np.diag(self.prior[1])
        matrix[:d, :d] += (self.design.T @ (self.design * each[:, None])).toarray()
        matrix[alpha, alpha] += self._prior_information(x, exact=True)
        kept = np.r_[np.arange(d), np.arange(d + k, self.size)]
        matrix[np.ix_(kept, kept)] -= self._missing(given, chance)
        for place in range(d, d + k):
            step = np.zeros(self.size)
            step[place] = 1e-4
            column = (self.value(x - step)[1] - self.value(x + step)[1]) / 2e-4
            matrix[:, place], matrix[place, :] = column, column
        return (matrix + matrix.T) / 2

    def _missing(self, given: Answers, chance: Floats) -> Floats:
        """Σ_r m_r Cov_w[(s_rg, φ_g)]."""
        size = self.width + self.types.basis.shape[1]
        missing = np.zeros((size, size))
        for raters, scores in self._scores(given):
            w, m = chance[raters], self.votes.multiplicity[raters]
            phi = np.broadcast_to(self.types.basis.T, (len(w), *self.types.basis.T.shape))
            joint = np.concatenate([scores, phi], axis=1)
            mean = np.einsum("rpg,rg->rp", joint, w)
            joint = (joint - mean[:, :, None]) * np.sqrt(w * m[:, None])[:, None, :]
            flat = joint.transpose(1, 0, 2).reshape(size, -1)
            missing += flat @ flat.T
        return missing

    def _scores(self, given: Answers) -> Iterator[tuple[slice, Floats]]:
        """s_rg over Δ's parameters [some r, n + d, G], a few raters at a time."""
        counts, d = self.votes.counts, self.width
        few = max(1, _ROOM // (d * self.types.size))
        for begin in range(0, counts.shape[0], few):
            raters = slice(begin, min(begin + few, counts.shape[0]))
            block = counts[raters].tocoo()
            own = self.design[block.col]
            per = np.diff(own.indptr)
            rows = np.repeat(block.row, per) * d + own.indices
            values = np.repeat(block.data, per) * own.data
            shape = ((raters.stop - begin) * d, counts.shape[1])
            spread = sparse.coo_array((values, (rows, np.repeat(block.col, per))), shape=shape).tocsr()
            yield raters, (spread @ given.slope).reshape(-1, d, self.types.size)

    def rater_scores(self, x: Floats) -> Any:
        """Each vote's part of the gradient in Δ's parameters [votes, n + d], sparse, its rater's type averaged over."""
        given = self.answers(x)
        chance, _ = self.posterior_types(x, given)
        votes = self.votes
        lone = np.flatnonzero(votes.rater < 0)
        who = votes.rater.copy()
        singles = np.unique(votes.answer[lone])
        who[lone] = len(votes.raters) + np.searchsorted(singles, votes.answer[lone])
        slope = np.einsum("vg,vg->v", chance[who], given.slope[votes.answer]) * votes.weight
        return self.design[votes.answer] * slope[:, None]


_SHARED = {"lean": "lean", "log tie": "tie", "log blind tie": "blind_tie"}


def _dot(a: Floats, b: Floats) -> float:
    return float(np.einsum("eg,eg->", a, b))
