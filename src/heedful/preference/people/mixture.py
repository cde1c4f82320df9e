"""The mixture likelihood: K groups of raters, each with utilities and a tie term of its own.

log p(votes) = Σ_r log Σ_k π_k exp(l_rk), with l_rk the log-likelihood of all votes of rater r under group k.
Parameters x = (η_2..η_K, θ_1, c_1, ..., θ_K, c_K) with π = softmax(0, η). Priors: θ ~ N(0, sd²), c ~ N(0, 5²), and
Dirichlet(1/2) on the shares, whose density in η is ∝ Π π_k^½.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import log_softmax, logsumexp

from heedful.core import Floats, UsageError
from heedful.preference.inference import Problem, maximise
from heedful.preference.information import Dense
from heedful.preference.people.votes import PairVotes

SHARE_PRIOR = 0.5
NUISANCE_SD = 5.0


@dataclass(frozen=True, eq=False)
class Mixture:
    """The log-posterior of a mixture of K `groups` for some votes, under prior standard deviation `sd`."""

    votes: PairVotes
    groups: int
    sd: float

    @property
    def block(self) -> int:
        """Parameters of one group: d + p."""
        return self.votes.parameters + len(self.votes.model.nuisances)

    @cached_property
    def precision(self) -> Floats:
        """Of one group's prior [d + p]."""
        nuisance = np.full(len(self.votes.model.nuisances), NUISANCE_SD**-2)
        return np.concatenate([np.full(self.votes.parameters, self.sd**-2), nuisance])

    def pack(self, log_shares: Floats, own: Floats) -> Floats:
        """x from log shares [K] and each group's parameters [K, d + p]."""
        return np.concatenate([log_shares[1:] - log_shares[0], own.ravel()])

    def log_shares(self, x: Floats) -> Floats:
        """log π [K]; for x [..., P], [..., K]."""
        eta = x[..., : self.groups - 1]
        return np.asarray(log_softmax(np.concatenate([np.zeros((*eta.shape[:-1], 1)), eta], axis=-1), axis=-1))

    def own(self, x: Floats) -> Floats:
        """Each group's parameters [..., K, d + p]."""
        return x[..., self.groups - 1 :].reshape(*x.shape[:-1], self.groups, self.block)

    def difference(self, theta: Floats) -> Floats:
        """Δ of every pair [P] at a group's utilities' parameters [d]."""
        return np.asarray(self.votes.differences @ theta)

    def log_likelihoods(self, own: Floats) -> Floats:
        """l_rk [R, K]."""
        d, model = self.votes.parameters, self.votes.model
        each = [model.log_prob(self.difference(part[:d]), part[d:]) for part in own]
        return self.votes.log_likelihood(np.stack(each, axis=-1))

    def joint(self, x: Floats) -> Floats:
        """log π_k + l_rk [R, K]."""
        return self.log_shares(x) + self.log_likelihoods(self.own(x))

    def value(self, x: Floats) -> float:
        prior = SHARE_PRIOR * self.log_shares(x).sum() - float((self.precision * self.own(x) ** 2).sum()) / 2
        return float(logsumexp(self.joint(x), axis=1).sum() + prior)

    def responsibilities(self, x: Floats) -> Floats:
        """P(group | votes of the rater) [R, K]."""
        return np.asarray(np.exp(log_softmax(self.joint(x), axis=1)))

    def problem(self, weight: Floats) -> Problem:
        """One group's share of the votes as a fitting problem."""
        return Problem((self.votes.weighted(weight),), self.votes.items, self.votes.design, self.precision)

    def update(self, responsibility: Floats, own: Floats) -> Floats:
        """The M step: x given responsibilities [R, K], from each group's parameters [K, d + p]."""
        shares = responsibility.sum(axis=0) + SHARE_PRIOR
        parts = [
            maximise(self.problem(weight), start).point.x for weight, start in zip(responsibility.T, own, strict=True)
        ]
        return self.pack(np.log(shares), np.array(parts))

    def advance(self, responsibility: Floats, own: Floats) -> tuple[Floats, float]:
        """One Newton step of every group's M step: x, and the prior's standard deviation that an EM step moves to.

        That is √ mean of E[θ²], with Laplace's variances. The step can overshoot; the caller looks at the value.
        """
        votes, d = self.votes, self.votes.parameters
        totals = np.asarray(votes.by_outcome @ responsibility).reshape(len(votes.model.scores), -1, self.groups)
        moved, squares = np.empty_like(own), 0.0
        for k, part in enumerate(own):
            sums = votes.model.derivatives(totals[:, :, k], self.difference(part[:d]), part[d:])
            through = votes.dense_differences
            information = np.diag(self.precision)
            information[:d, :d] += through.T @ (sums.information[0, 0][:, None] * through)
            information[:d, d:] = through.T @ sums.information[0, 1:].T
            information[d:, :d] = information[:d, d:].T
            information[d:, d:] += sums.information[1:, 1:].sum(axis=2)
            gradient = np.append(through.T @ sums.gradient[0], sums.gradient[1:].sum(axis=1)) - self.precision * part
            inverse = np.linalg.inv(information)
            moved[k] = part + inverse @ gradient
            squares += float((part[:d] ** 2).sum() + np.diag(inverse)[:d].sum())
        shares = responsibility.sum(axis=0) + SHARE_PRIOR
        return self.pack(np.log(shares), moved), float(np.sqrt(squares / (len(own) * d)))

    def gradient_and_information(self, x: Floats) -> tuple[Floats, Floats]:
        """The gradient [P] and the negative Hessian [P, P] of `value`, exactly (Louis 1982).

        The information of the complete data, less the spread of its scores over what group a rater is of.
        """
        w, own, pi = self.responsibilities(x), self.own(x), np.exp(self.log_shares(x))
        free, size = self.groups - 1, self.block
        full = self._scores(x, pi)
        mean = np.einsum("rk,rkp->rp", w, full)
        gradient = mean.sum(axis=0)
        gradient[:free] += SHARE_PRIOR * (1 - self.groups * pi[1:])
        gradient[free:] -= (self.precision * own).ravel()
        information = mean.T @ mean
        total = len(w) + SHARE_PRIOR * self.groups
        information[:free, :free] += total * (np.diag(pi[1:]) - np.outer(pi[1:], pi[1:]))
        for k, part in enumerate(own):
            where = slice(free + k * size, free + (k + 1) * size)
            information[where, where] += self.problem(w[:, k]).at(part).likelihood_information()
            information[where, where] += np.diag(self.precision)
            information -= full[:, k].T @ (w[:, k, None] * full[:, k])
        return gradient, (information + information.T) / 2

    def _scores(self, x: Floats, pi: Floats) -> Floats:
        """The gradient of log π_k + l_rk for each rater and group [R, K, P]."""
        d, free, size = self.votes.parameters, self.groups - 1, self.block
        full = np.zeros((len(self.votes.raters), self.groups, len(x)))
        for k, part in enumerate(self.own(x)):
            each = _outcome_gradients(self.votes, self.difference(part[:d]), part[d:])
            full[:, k, free + k * size : free + (k + 1) * size] = self.votes.scores(each)
            full[:, k, :free] = -pi[1:]
            if k:
                full[:, k, k - 1] += 1
        return full


def _outcome_gradients(votes: PairVotes, difference: Floats, nuisance: Floats) -> Floats:
    """∂ log P / ∂(Δ, c) of each outcome of each pair [o, 1 + p, P]."""
    ones = np.eye(len(votes.model.scores))[:, :, None]
    return np.stack([votes.model.gradient(one, difference, nuisance) for one in ones])


def inverse_information(problem: Problem, x: Floats) -> Floats:
    """H⁻¹ [P, P] at x."""
    information = problem.at(x).information
    if not isinstance(information, Dense):
        raise UsageError(f"{problem.size} parameters are too many for models of people", fix="use fewer items")
    return information.inverse


def rater_scores(votes: PairVotes, x: Floats) -> Floats:
    """Each rater's gradient of its log-likelihood [R, d + p] at one set of parameters x [d + p]."""
    d = votes.parameters
    return votes.scores(_outcome_gradients(votes, np.asarray(votes.differences @ x[:d]), x[d:]))
